//! The simulated world: real ledger and protocol; simulated links, disks, clocks and people.
//!
//! A whole federation runs in one thread from one seed. Modules in reading order.

pub mod chance;
pub mod people;
pub mod load;
pub mod handmade;
pub mod quarter;
pub mod disk;
pub mod reference;
pub mod world;
pub mod net;
pub mod coop;
pub mod relay;
pub mod bench;
pub mod observer;
pub mod wire;
pub mod process;
pub mod crash;
pub mod fuzz;
pub mod model;
