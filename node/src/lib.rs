//! A node: the only place with a clock, sockets, a disk and threads.
//!
//! Modules in reading order; each uses only those above it. What entries mean is `talea_ledger`'s
//! business, what bytes mean is `talea_protocol`'s. For operators: `README.md`.

pub mod clock;
pub mod config;
pub mod identity;
pub mod rate;
pub mod thread;
pub mod metrics;
pub mod span;
pub mod store;
pub mod shelf;
pub mod promise;
pub mod link;
pub mod book;
pub mod hosted;
pub mod order;
pub mod reception;
pub mod restore;
pub mod audit;
pub mod rebuild;
pub mod backup;
pub mod intake;
pub mod commit;
pub mod serve;
pub mod exchange;
pub mod gather;
pub mod writer;
pub mod peers;
pub mod http;
pub mod control;
pub mod door;
pub mod run;
pub mod recover;
