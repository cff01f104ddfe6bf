//! What the members' and the auditors' programs share: files, reading and showing.
//!
//! Modules in reading order; each uses only those above it. Nothing here opens a socket: the
//! HTTP client is a module of the program `talea` alone (`bin/talea/http.rs`).

pub mod amount;
pub mod table;
pub mod lang;
pub mod private;
pub mod attachment;
pub mod remedy;
pub mod voided;
pub mod refused;
pub mod keyfile;
pub mod journal;
pub mod wallet;
pub mod witness;
pub mod heads;
pub mod names;
pub mod verify;
pub mod origin;
pub mod books;
pub mod explain;
pub mod credential;
pub mod checks;
pub mod page;
pub mod cheat;
pub mod book;
pub mod draft;
pub mod opening;
pub mod preview;
pub mod slip;
pub mod word;
pub mod treaty;
pub mod history;
pub mod square;
pub mod phrase;
pub mod ending;
pub mod succession;
pub mod healing;
pub mod charter_file;
pub mod founding;
pub mod submission;
pub mod scenario;
pub mod play;
pub mod figures;
