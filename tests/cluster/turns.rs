//! Threads that take turns with the simulation: what blocks in a real process runs on one, and whenever it would wait, for the log or for
//! a disk, it hands the turn back with what it asks. So only one thing runs at a time, and blocking takes virtual time.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use coney::cluster::{AppendError, Bounds, Log, Sequence, Unreachable};
use coney::store::{Durability, Engine, Error, MemoryEngine, Reader, Snapshot, Space, Visitor, WriteBatch};

/// What a thread waits for.
#[derive(Debug)]
pub enum Ask {
    Append(Sequence, Vec<u8>),
    Read(Sequence, usize),
    Bounds,
    Trim(Sequence),
    Wait(Sequence),
    Disk,
}

/// What it gets.
pub enum Answer {
    Append(Result<Sequence, AppendError>),
    Read(Result<Vec<(Sequence, Vec<u8>)>, Unreachable>),
    Bounds(Result<Bounds, Unreachable>),
    Trim(Result<(), Unreachable>),
    Nothing,
}

enum Event {
    Ask(Ask),
    Done(Box<dyn Any + Send>),
}

thread_local! {
    static TURN: RefCell<Option<(Sender<Event>, Receiver<Answer>)>> = const { RefCell::new(None) };
    /// Threads of the simulation on this one that have nothing to do.
    static IDLE: RefCell<Vec<Thread>> = const { RefCell::new(Vec::new()) };
}

/// Hands the turn back until there is an answer. Whoever asked may have crashed meanwhile: then the thread ends here.
fn ask(ask: Ask) -> Answer {
    let answer = TURN.with_borrow(|turn| {
        let (asks, answers) = turn.as_ref().expect("only what runs on such a thread may block");
        asks.send(Event::Ask(ask)).ok()?;
        answers.recv().ok()
    });
    answer.unwrap_or_else(|| std::panic::resume_unwind(Box::new("crashed")))
}

/// Does something that blocks; `serve` answers what it asks.
pub async fn block<T: Send + 'static, A: Future<Output = Answer>>(
    work: impl FnOnce() -> T + Send + 'static,
    serve: impl Fn(Ask) -> A,
) -> T {
    let ((events, incoming), (answers, replies)) = (channel(), channel());
    let runtime = tokio::runtime::Handle::current();
    let thread = IDLE.with_borrow_mut(Vec::pop).unwrap_or_else(Thread::new);
    let job = move || {
        // It has the same virtual time.
        let _within = runtime.enter();
        TURN.set(Some((events.clone(), replies)));
        let done: Box<dyn Any + Send> = Box::new(work());
        drop(events.send(Event::Done(done)));
    };
    thread.jobs.send(Box::new(job)).unwrap();
    let turn = Turn { answers: Some(answers), thread: Some(thread) };
    loop {
        match incoming.recv() {
            Ok(Event::Ask(ask)) => {
                let answer = serve(ask).await;
                if let Some(answers) = &turn.answers {
                    drop(answers.send(answer));
                }
            }
            Ok(Event::Done(done)) => return *done.downcast().unwrap(),
            Err(_) => panic!("what blocks has panicked"),
        }
    }
}

/// A thread that does one thing after the other: to make one each time would be most of what there is to do.
struct Thread {
    jobs: Sender<Box<dyn FnOnce() + Send>>,
    /// One for each that is over.
    ended: Receiver<()>,
}

impl Thread {
    fn new() -> Self {
        let ((jobs, incoming), (ends, ended)) = (channel::<Box<dyn FnOnce() + Send>>(), channel());
        std::thread::spawn(move || {
            for job in incoming {
                // Of a crash nothing more is said.
                drop(catch_unwind(AssertUnwindSafe(job)));
                TURN.set(None);
                if ends.send(()).is_err() {
                    return;
                }
            }
        });
        Self { jobs, ended }
    }
}

/// Whoever gives it up waits until it is over: it is always a thread's turn, or that of all others.
struct Turn {
    answers: Option<Sender<Answer>>,
    thread: Option<Thread>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What still waits for one ends by a panic of its own.
        self.answers = None;
        if let Some(thread) = self.thread.take()
            && thread.ended.recv().is_ok()
        {
            // Without it, the simulation's own thread is about to end.
            let _ = IDLE.try_with(|idle| idle.borrow_mut().push(thread));
        }
    }
}

/// The log, as such a thread sees it.
pub struct TurnLog;

impl Log for TurnLog {
    fn append(&mut self, after: Sequence, frame: &[u8]) -> Result<Sequence, AppendError> {
        match ask(Ask::Append(after, frame.to_vec())) {
            Answer::Append(answer) => answer,
            _ => unreachable!("it was asked to append"),
        }
    }

    fn read(&mut self, after: Sequence, bytes_max: usize) -> Result<Vec<(Sequence, Vec<u8>)>, Unreachable> {
        match ask(Ask::Read(after, bytes_max)) {
            Answer::Read(answer) => answer,
            _ => unreachable!("it was asked to read"),
        }
    }

    fn bounds(&mut self) -> Result<Bounds, Unreachable> {
        match ask(Ask::Bounds) {
            Answer::Bounds(answer) => answer,
            _ => unreachable!("it was asked for bounds"),
        }
    }

    fn trim(&mut self, before: Sequence) -> Result<(), Unreachable> {
        match ask(Ask::Trim(before)) {
            Answer::Trim(answer) => answer,
            _ => unreachable!("it was asked to trim"),
        }
    }

    fn wait(&mut self, after: Sequence) {
        drop(ask(Ask::Wait(after)));
    }

    fn frame_bytes_max(&self) -> usize {
        // Small, so that batches have parts.
        600
    }
}

/// A disk that takes its time.
pub struct TurnDisk(pub MemoryEngine);

impl Engine for TurnDisk {
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), Error> {
        drop(ask(Ask::Disk));
        self.0.commit(batch, durability)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        self.0.scan(space, from, to, visit)
    }

    fn reader(&self) -> Box<dyn Reader> {
        self.0.reader()
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.0.snapshot()
    }

    fn sync(&mut self) -> Result<(), Error> {
        drop(ask(Ask::Disk));
        self.0.sync()
    }

    fn maintain(&mut self, live_bytes: u64) -> Result<bool, Error> {
        self.0.maintain(live_bytes)
    }

    fn journal_gap(&mut self) -> Option<u64> {
        self.0.journal_gap()
    }
}

/// What is left of a disk that cannot be read any more.
pub struct DamagedDisk;

fn damaged<T>() -> Result<T, Error> {
    Err(Error::Damaged { detail: "a simulated disk".into() })
}

impl Engine for DamagedDisk {
    fn commit(&mut self, _: WriteBatch, _: Durability) -> Result<(), Error> {
        damaged()
    }

    fn scan(&self, _: Space, _: &[u8], _: &[u8], _: &mut Visitor<'_>) -> Result<(), Error> {
        damaged()
    }

    fn reader(&self) -> Box<dyn Reader> {
        unreachable!("nobody opens a store that is damaged")
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        unreachable!("nobody has what is damaged")
    }

    fn sync(&mut self) -> Result<(), Error> {
        damaged()
    }

    fn maintain(&mut self, _: u64) -> Result<bool, Error> {
        damaged()
    }

    fn journal_gap(&mut self) -> Option<u64> {
        None
    }
}
