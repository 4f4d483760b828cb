//! What a command is: its name, who has it, what it takes, and what it does.

use super::call::Call;
use super::failure::Failure;
use super::options::Switch;
use super::output::Output;
use super::program::Program;

/// Who has a command.
pub const CTL: &[Program] = &[Program::Ctl];
pub const DIAGNOSTICS: &[Program] = &[Program::Diagnostics];
pub const CTL_AND_DIAGNOSTICS: &[Program] = &[Program::Ctl, Program::Diagnostics];
pub const QUEUES: &[Program] = &[Program::Queues];
pub const DIAGNOSTICS_AND_QUEUES: &[Program] = &[Program::Diagnostics, Program::Queues];
pub const PLUGINS: &[Program] = &[Program::Plugins];
pub const UPGRADE: &[Program] = &[Program::Upgrade];
pub const EVERYWHERE: &[Program] =
    &[Program::Ctl, Program::Diagnostics, Program::Plugins, Program::Queues, Program::Upgrade];

/// The headings of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Help,
    Nodes,
    Cluster,
    Users,
    AccessControl,
    Monitoring,
    Parameters,
    Policies,
    VirtualHosts,
    Queues,
    Operations,
    FeatureFlags,
    Configuration,
    Definitions,
    Plugins,
    Upgrade,
    Deprecated,
}

impl Section {
    /// In the order of the help.
    pub const ALL: [Self; 17] = [
        Self::Help,
        Self::Nodes,
        Self::Cluster,
        Self::Users,
        Self::AccessControl,
        Self::Monitoring,
        Self::Parameters,
        Self::Policies,
        Self::VirtualHosts,
        Self::Queues,
        Self::Operations,
        Self::FeatureFlags,
        Self::Configuration,
        Self::Definitions,
        Self::Plugins,
        Self::Upgrade,
        Self::Deprecated,
    ];

    /// Its heading.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Help => "Help",
            Self::Nodes => "Nodes",
            Self::Cluster => "Cluster",
            Self::Users => "Users",
            Self::AccessControl => "Access Control",
            Self::Monitoring => "Monitoring, observability and health checks",
            Self::Parameters => "Parameters",
            Self::Policies => "Policies",
            Self::VirtualHosts => "Virtual hosts",
            Self::Queues => "Queues",
            Self::Operations => "Operations",
            Self::FeatureFlags => "Feature flags",
            Self::Configuration => "Configuration and Environment",
            Self::Definitions => "Definitions",
            Self::Plugins => "Plugin Management",
            Self::Upgrade => "Upgrade",
            Self::Deprecated => "Deprecated",
        }
    }
}

/// How a command does what it does.
pub type Run = fn(&Call) -> Result<Output, Failure>;

/// A command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Which programs have it.
    pub programs: &'static [Program],
    /// Where the help has it.
    pub section: Section,
    /// Its arguments and options, for people.
    pub usage: &'static str,
    /// What it does, in a sentence without a full stop.
    pub about: &'static str,
    /// The fewest arguments.
    pub least: usize,
    /// The most.
    pub most: usize,
    /// Its own options.
    pub switches: &'static [Switch],
    /// The columns that may be asked for, where arguments are columns.
    pub columns: &'static [&'static str],
    /// Does it.
    pub run: Run,
}

/// Any number of arguments.
pub const ANY: usize = usize::MAX;

impl Command {
    /// Without arguments or options of its own.
    pub const fn new(
        name: &'static str,
        programs: &'static [Program],
        section: Section,
        about: &'static str,
        run: Run,
    ) -> Self {
        Self {
            name,
            programs,
            section,
            usage: "",
            about,
            least: 0,
            most: 0,
            switches: &[],
            columns: &[],
            run,
        }
    }

    /// With so many arguments.
    pub const fn takes(self, usage: &'static str, least: usize, most: usize) -> Self {
        Self { usage, least, most, ..self }
    }

    /// With options.
    pub const fn with(self, switches: &'static [Switch]) -> Self {
        Self { switches, ..self }
    }

    /// With these columns to choose from.
    pub const fn lists(self, usage: &'static str, columns: &'static [&'static str]) -> Self {
        Self { usage, columns, most: ANY, ..self }
    }
}
