//! What a stream does, a file per subject.

mod consuming;
mod cursors;
mod describing;
mod feeding;
mod publishing;
mod reading;
mod recording;
mod retaining;
mod stream;

pub use stream::Stream;
