//! All commands, and those that are about commands.

use super::call::Call;
use super::command::{Command, EVERYWHERE, Section};
use super::failure::{Failure, USAGE};
use super::options::flag;
use super::output::Output;
use super::program::Program;
use super::{
    checks, cluster, connections, definitions, diagnostics, help, limits, listing, node, parameters,
    permissions, plugins, policies, queues, refusals, status, users, vhosts, wait,
};

const ABOUT_COMMANDS: &[Command] = &[
    Command::new("help", EVERYWHERE, Section::Help, "Says what a command does, or which there are", say_help)
        .takes("(<command> | [--list-commands])", 0, 1)
        .with(&[flag("list-commands")]),
    Command::new("autocomplete", EVERYWHERE, Section::Help, "Lists the commands that begin so", autocomplete)
        .takes("[prefix]", 1, 1),
];

/// Of all programs.
pub fn all() -> impl Iterator<Item = &'static Command> {
    let subjects: [&'static [Command]; 19] = [
        ABOUT_COMMANDS,
        users::COMMANDS,
        permissions::COMMANDS,
        vhosts::COMMANDS,
        limits::COMMANDS,
        policies::COMMANDS,
        parameters::COMMANDS,
        listing::COMMANDS,
        queues::COMMANDS,
        connections::COMMANDS,
        definitions::COMMANDS,
        node::COMMANDS,
        status::COMMANDS,
        wait::COMMANDS,
        checks::COMMANDS,
        diagnostics::COMMANDS,
        plugins::COMMANDS,
        cluster::COMMANDS,
        refusals::COMMANDS,
    ];
    subjects.into_iter().flatten()
}

/// Of one program.
pub fn of(program: Program) -> Vec<&'static Command> {
    all().filter(move |command| command.programs.contains(&program)).collect()
}

/// The one of this name.
pub fn find(program: Program, name: &str) -> Option<&'static Command> {
    of(program).into_iter().find(|command| command.name == name)
}

fn say_help(call: &Call) -> Result<Output, Failure> {
    let commands = of(call.program);
    if call.options.has("list-commands") {
        return Ok(Output::Raw(help::listed(&commands)));
    }
    let Some(name) = call.arguments.first() else {
        return Ok(Output::Raw(help::overview(call.program, &commands)));
    };
    match find(call.program, name) {
        Some(command) => Ok(Output::Raw(help::of_command(call.program, command))),
        None => Err(Failure::error(USAGE, format!("Command '{name}' not found."))),
    }
}

fn autocomplete(call: &Call) -> Result<Output, Failure> {
    Ok(Output::Raw(help::completions(&of(call.program), call.argument(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_command_is_guessed() {
        let said = |program, name| help::unknown(program, name, &of(program)).text;
        for (name, meant) in [("list_queue", "list_queues"), ("add_uesr", "add_user"), ("statu", "status")] {
            assert!(said(Program::Ctl, name).contains(&format!("Did you mean '{meant}'?")), "{name}");
        }
        assert!(said(Program::Ctl, "nonsense").contains("Available commands"));
    }

    #[test]
    fn each_name_is_there_once_in_a_program_and_sections_are_known() {
        for program in EVERYWHERE {
            let commands = of(*program);
            let mut names: Vec<&str> = commands.iter().map(|command| command.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{program:?}");
            assert_eq!(help::listed(&commands).matches("\n   ").count(), all);
        }
    }

    #[test]
    fn shells_complete() {
        assert_eq!(help::completions(&of(Program::Ctl), "list_us").lines().count(), 4);
        assert_eq!(help::completions(&of(Program::Upgrade), "dr"), "drain\n");
    }
}
