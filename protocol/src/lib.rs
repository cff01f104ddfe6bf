//! Talea's bytes: what a second implementation must reproduce exactly.
//!
//! The specification is `README.md` beside this crate. Modules are listed in reading order, and
//! each uses only those above it. Nothing here has a clock, a socket, a disk, a thread or a
//! source of randomness, except [`quic`] behind the feature of that name.

pub mod bytes;
pub mod hash;
pub mod key;
pub mod cut;
pub mod council;
pub mod treasury;
pub mod charter;
pub mod recovery;
pub mod work;
pub mod plan;
pub mod decision;
pub mod money;
pub mod federation;
pub mod personal;
pub mod act;
pub mod entry;
pub mod attachment;
pub mod fork;
pub mod tile;
pub mod tree;
pub mod proof;
pub mod note;
pub mod checkpoint;
pub mod receipt;
pub mod split;
pub mod leaf;
pub mod message;
pub mod sync;
pub mod export;
#[cfg(feature = "quic")]
pub mod quic;
