//! Why `talea-verify` has no answer: usage, or a file.

use std::path::PathBuf;

use talea_protocol::bytes::Malformed;
use talea_protocol::hash::EntryId;
use talea_tools::books::{FecFault, ParquetFault};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Fec(#[from] FecFault),
    #[error(transparent)]
    Parquet(#[from] ParquetFault),
    #[error(transparent)]
    Page(#[from] askama::Error),
    #[error(
        "`{0}` is no entry, payout, account or member here; `talea-verify entries FILE` lists all entries"
    )]
    Nothing(String),
    #[error("the file has no charter: nothing can be shown")]
    NoCharter,
    #[error("cannot write {}: {reason}", path.display())]
    Write { path: PathBuf, reason: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Proof { path: PathBuf, reason: Malformed },
    #[error("this file shows no fork there")]
    NoFork,
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Export { path: PathBuf, reason: talea_protocol::export::ExportFault },
    #[error("{}: {reason}", path.display())]
    History { path: PathBuf, reason: talea_tools::history::HistoryFault },
    #[error("{}: {reason}", path.display())]
    Policy { path: PathBuf, reason: toml::de::Error },
    #[error("nobody here is called `{0}`; `talea-verify member FILE` lists everybody")]
    Member(String),
    #[error("{count} entries are called `{text}`; give more of the id, or its place: alba/4")]
    Entry { text: String, count: usize },
    #[error("these are exports of two cooperatives, {one} and {other}")]
    Strangers { one: EntryId, other: EntryId },
}
