//! Definitions in RabbitMQ's format, which make much at once.

/// Lists of what to make.
#[derive(Default)]
pub struct Definitions {
    vhosts: Vec<String>,
    users: Vec<String>,
    permissions: Vec<String>,
    policies: Vec<String>,
    queues: Vec<String>,
    bindings: Vec<String>,
}

impl Definitions {
    pub fn vhost(&mut self, name: &str) {
        self.vhosts.push(format!(r#"{{"name":"{name}"}}"#));
    }

    /// Without a password, and with all rights on the default vhost.
    pub fn user(&mut self, name: &str) {
        self.users.push(format!(r#"{{"name":"{name}","password_hash":"","tags":""}}"#));
        self.permissions
            .push(format!(r#"{{"user":"{name}","vhost":"/","configure":".*","write":".*","read":".*"}}"#));
    }

    /// For queues of no name that any has.
    pub fn policy(&mut self, name: &str) {
        self.policies.push(format!(
            r#"{{"vhost":"/","name":"{name}","pattern":"^none\\.{name}\\.","apply-to":"all","priority":1,"definition":{{"max-length":10}}}}"#
        ));
    }

    pub fn queue(&mut self, name: &str) {
        self.queue_with(name, "{}");
    }

    /// With these arguments.
    pub fn queue_with(&mut self, name: &str, arguments: &str) {
        self.queues.push(format!(
            r#"{{"name":"{name}","vhost":"/","durable":true,"auto_delete":false,"arguments":{arguments}}}"#
        ));
    }

    /// Of a queue to `amq.topic`.
    pub fn binding(&mut self, queue: &str, key: &str) {
        self.bindings.push(format!(
            r#"{{"source":"amq.topic","vhost":"/","destination":"{queue}","destination_type":"queue","routing_key":"{key}","arguments":{{}}}}"#
        ));
    }

    pub fn text(&self) -> String {
        let lists = [
            ("vhosts", &self.vhosts),
            ("users", &self.users),
            ("permissions", &self.permissions),
            ("policies", &self.policies),
            ("queues", &self.queues),
            ("bindings", &self.bindings),
        ];
        let list = |(name, items): (&str, &Vec<String>)| format!(r#""{name}":[{}]"#, items.join(","));
        format!("{{{}}}", lists.map(list).join(","))
    }
}

/// So many durable queues, each bound.
pub fn queues_bound(n: u64) -> String {
    let mut definitions = Definitions::default();
    for number in 0..n {
        definitions.queue(&format!("q{number}"));
        definitions.binding(&format!("q{number}"), &format!("k{number}"));
    }
    definitions.text()
}
