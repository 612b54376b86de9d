//! History through the same core as the stream, and what is to be thought of the result.

pub mod judge;
mod timeline;
