//! What a node is put through: kills, power cuts, damage, disks that are full or fail, clocks that
//! jump; and what came of each.
//!
//! Modules in reading order. `tests/*.rs` run a little of it each time, `./tools/crash` a lot.

pub mod scene;
pub mod shim;
pub mod image;
pub mod tally;
pub mod kills;
pub mod cuts;
pub mod damage;
pub mod disks;
