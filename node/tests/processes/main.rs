//! The node as its users meet it: real processes, HTTP, QUIC, signals and files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod site;
mod people;
mod rescue;
mod three_nodes;
mod bad_input;
mod files;
mod hostile;
mod limits;
mod attacks;
mod requests;
mod attachments;
