//! Methods, headers and bodies in any order, most of them well formed, while queues deliver and confirm.
#![no_main]

use arbitrary::Arbitrary;
use coney_fuzz::client::{Step, handshake};
use coney_fuzz::server::{Event, Server};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Turn {
    Client(Step),
    Server(Event),
}

fuzz_target!(|turns: Vec<Turn>| {
    let mut server = Server::new();
    server.receive(&handshake());
    assert!(server.session().is_running());
    for turn in turns {
        match turn {
            Turn::Client(step) => {
                let mut bytes = Vec::new();
                step.write(&mut bytes);
                server.receive(&bytes);
            }
            Turn::Server(event) => server.happen(event),
        }
    }
    server.end();
});
