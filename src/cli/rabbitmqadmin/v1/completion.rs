//! `--bash-completion`: a script that completes the Python program's syntax, and names of what is there by asking the broker.

use super::list::FORMATS;
use super::options::FLAGS;
use super::resources::{CLOSABLE, DECLARABLE, DELETABLE, LISTABLE, Object, PURGABLE, SHOWABLE};

const HEAD: &str = "\
# Completion of rabbitmqadmin's commands for bash: source it, or keep it in /etc/bash_completion.d.
_rabbitmqadmin() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local words='list show declare delete close purge import export get publish help'
    case $previous in
";

const TAIL: &str = "    esac
    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))
}
complete -F _rabbitmqadmin rabbitmqadmin
";

/// The script.
pub fn bash() -> String {
    let mut script = HEAD.to_owned();
    let kinds = |names: Vec<&str>| names.join(" ");
    let objects = |objects: &[Object]| kinds(objects.iter().map(|object| object.name).collect());
    script += &words("list", &kinds(LISTABLE.iter().map(|kind| kind.name).collect()));
    script += &words("show", &kinds(SHOWABLE.iter().map(|kind| kind.name).collect()));
    script += &words("declare", &objects(DECLARABLE));
    script += &words("delete", &objects(DELETABLE));
    script += &words("close", &objects(CLOSABLE));
    script += &words("purge", &objects(PURGABLE));
    script += &words("help", "subcommands config commands");
    script += &words("-f|--format", &kinds(FORMATS.iter().map(|(name, _)| *name).collect()));
    script += &reply("export|import|-c|--config", "-f");
    script += &reply("-H|--host", "-A hostname");
    script += &asked("-V|--vhost", "vhosts");
    script += &asked("-u|--username", "users");
    for kind in LISTABLE.iter().filter(|kind| !["vhosts", "users"].contains(&kind.name)) {
        script += &asked(kind.name.trim_end_matches('s'), kind.name);
    }
    let flags: Vec<String> = FLAGS.iter().map(|flag| format!("--{}", flag.long)).collect();
    script + &format!("        *) words+=' {}' ;;\n", flags.join(" ")) + TAIL
}

fn words(after: &str, words: &str) -> String {
    format!("        {after}) words='{words}' ;;\n")
}

fn reply(after: &str, compgen: &str) -> String {
    format!("        {after}) COMPREPLY=($(compgen {compgen} -- \"$current\")); return ;;\n")
}

fn asked(after: &str, kind: &str) -> String {
    format!("        {after}) words=$(rabbitmqadmin -q -f bash list {kind} 2>/dev/null) ;;\n")
}
