//! Makes a program small that shows a difference: fewer operations, then fewer words in each.
//!
//! It only proposes. Whoever runs the proposals says whether each still shows the difference.

use super::program::{Action, Operation, Program};
use crate::codec::{Props, Table};

/// Makes one program smaller.
#[derive(Clone, Debug)]
pub struct Shrinker {
    best: Program,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Leaves out `size` operations from `at` on.
    Remove {
        size: usize,
        at: usize,
        found: bool,
    },
    /// Simplifies the operation `at` in its way number `way`.
    Simplify {
        at: usize,
        way: usize,
    },
    Done,
}

impl Shrinker {
    /// Begins with a program of which everything behind its difference was cut off.
    pub fn new(program: Program) -> Self {
        let size = (program.operations.len() / 2).max(1);
        Self { best: program, stage: Stage::Remove { size, at: 0, found: false } }
    }

    /// The smallest program that showed the difference so far.
    pub fn best(&self) -> &Program {
        &self.best
    }

    /// The next one to try; none if nothing is left to try.
    pub fn proposal(&mut self) -> Option<Program> {
        loop {
            match self.stage {
                Stage::Remove { size, at, found } => {
                    if at < self.best.operations.len() {
                        let mut program = self.best.clone();
                        let end = (at + size).min(program.operations.len());
                        program.operations.drain(at..end);
                        return Some(program);
                    }
                    self.stage = match (size, found) {
                        (1, false) => Stage::Simplify { at: 0, way: 0 },
                        (1, true) => Stage::Remove { size: 1, at: 0, found: false },
                        _ => Stage::Remove { size: size / 2, at: 0, found: false },
                    };
                }
                Stage::Simplify { at, way } => {
                    let Some(operation) = self.best.operations.get(at) else {
                        self.stage = Stage::Done;
                        continue;
                    };
                    if let Some(simpler) = simpler(operation).into_iter().nth(way) {
                        let mut program = self.best.clone();
                        program.operations.splice(at..=at, [simpler]);
                        return Some(program);
                    }
                    self.stage = Stage::Simplify { at: at + 1, way: 0 };
                }
                Stage::Done => return None,
            }
        }
    }

    /// Says whether the last proposal still shows the difference.
    pub fn judge(&mut self, program: Program, shows: bool) {
        if shows {
            self.best = program;
        }
        match &mut self.stage {
            Stage::Remove { found, .. } if shows => *found = true,
            Stage::Remove { size, at, .. } => *at += *size,
            Stage::Simplify { way, .. } if shows => *way = 0,
            Stage::Simplify { way, .. } => *way += 1,
            Stage::Done => {}
        }
    }
}

/// An operation with one thing less each.
fn simpler(operation: &Operation) -> Vec<Operation> {
    let mut all = Vec::new();
    let mut add = |action: Action| all.push(Operation { action, ..operation.clone() });
    match &operation.action {
        Action::DeclareQueue { queue, bits, arguments } => {
            for (bits, arguments) in less(*bits, arguments) {
                add(Action::DeclareQueue { queue: queue.clone(), bits, arguments });
            }
        }
        Action::ProbeQueue { queue, bits, arguments } => {
            for (bits, arguments) in less(*bits, arguments) {
                add(Action::ProbeQueue { queue: queue.clone(), bits, arguments });
            }
        }
        Action::DeclareExchange { exchange, kind, bits, arguments } => {
            for (bits, arguments) in less(*bits, arguments) {
                add(Action::DeclareExchange {
                    exchange: exchange.clone(),
                    kind: kind.clone(),
                    bits,
                    arguments,
                });
            }
        }
        Action::Consume { queue, tag, bits, arguments } => {
            for (bits, arguments) in less(*bits, arguments) {
                add(Action::Consume { queue: queue.clone(), tag: tag.clone(), bits, arguments });
            }
        }
        Action::Bind { way, key, arguments } => {
            for (_, arguments) in less(0, arguments) {
                add(Action::Bind { way: way.clone(), key: key.clone(), arguments });
            }
        }
        Action::Publish(publish) => {
            if publish.count > 1 {
                for count in [1, publish.count / 2, publish.count - 1] {
                    add(Action::Publish(Box::new(super::program::Publish { count, ..(**publish).clone() })));
                }
            }
            for (bits, _) in less(publish.bits, &Table::new()) {
                add(Action::Publish(Box::new(super::program::Publish { bits, ..(**publish).clone() })));
            }
            for props in fewer(&publish.props) {
                add(Action::Publish(Box::new(super::program::Publish { props, ..(**publish).clone() })));
            }
        }
        _ => {}
    }
    all
}

/// With one bit or one argument less.
fn less(bits: u8, arguments: &Table) -> Vec<(u8, Table)> {
    let set = (0..8).map(|bit| 1 << bit).filter(|bit| bits & bit != 0);
    let tables = (0..arguments.len()).map(|at| {
        let mut arguments = arguments.clone();
        arguments.remove(at);
        (bits, arguments)
    });
    set.map(|bit| (bits & !bit, arguments.clone())).chain(tables).collect()
}

/// With one property less.
fn fewer(props: &Props) -> Vec<Props> {
    let one = |clear: fn(&mut Props)| {
        let mut props = props.clone();
        clear(&mut props);
        props
    };
    let clears: [fn(&mut Props); 9] = [
        |props| props.headers = None,
        |props| props.delivery_mode = None,
        |props| props.priority = None,
        |props| props.expiration = None,
        |props| props.reply_to = None,
        |props| props.user_id = None,
        |props| props.correlation_id = None,
        |props| props.message_id = None,
        |props| props.timestamp = None,
    ];
    let headers = props.headers.iter().flat_map(|headers| {
        less(0, headers).into_iter().map(|(_, headers)| Props { headers: Some(headers), ..props.clone() })
    });
    clears.into_iter().map(one).filter(|simpler| simpler != props).chain(headers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::text;

    /// Shrinks while `shows` holds; the text of the result, and how many programs were tried.
    fn shrink(program: &str, shows: impl Fn(&str) -> bool) -> (String, usize) {
        let mut shrinker = Shrinker::new(text::parse(program).unwrap());
        let mut tries = 0;
        while let Some(proposal) = shrinker.proposal() {
            let holds = shows(&proposal.to_string());
            shrinker.judge(proposal, holds);
            tries += 1;
        }
        (shrinker.best().to_string(), tries)
    }

    #[test]
    fn only_what_is_needed_stays() {
        let noise = "A1 tx.select\n".repeat(20);
        let program = format!(
            "{noise}A1 queue.declare q1 durable x-max-length=I:5 x-a=V:\n{noise}A1 queue.delete q1\n"
        );
        let (best, tries) =
            shrink(&program, |text| text.contains("max-length") && text.contains("delete q1"));
        assert_eq!(best, "A1 queue.declare q1 x-max-length=I:5\nA1 queue.delete q1\n");
        assert!(tries < 100, "{tries}");
    }

    #[test]
    fn properties_and_counts_go() {
        let program = "A1 basic.publish \"\" k mandatory body=m count=7 priority=3 headers={a=I:1, b=I:2}\n";
        let (best, _) = shrink(program, |text| text.contains("b=I:2"));
        assert_eq!(best, "A1 basic.publish \"\" k body=m headers={b=I:2}\n");
    }

    #[test]
    fn what_cannot_be_smaller_stays() {
        let program = "A1 queue.declare q1 durable\n";
        assert_eq!(shrink(program, |text| text == program).0, program);
    }
}
