//! What the nodes gave: the last export of a cooperative that this wallet keeps, and a newer one.
//!
//! Every export is audited before anything is read from it.

use talea_protocol::key::SecretKey;
use talea_tools::verify::{self, Audit, Policy, Status};
use talea_tools::wallet::{Known, Server, Wallet};

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::http::{Node, Reader};
use crate::out::{self, styled};
use crate::standing::no_node;

/// Brings the export of the node that holds most; what it shows is audited and kept. Returns who
/// gave it.
pub fn fetch(wallet: &Wallet, known: &Known, key: Option<&SecretKey>) -> Outcome<(String, Audit)> {
    let mut best: Option<(String, Vec<u8>, Audit)> = None;
    let mut failures = Vec::new();
    for server in &known.nodes {
        match fetch_from(known, server, key) {
            Ok((file, audit)) => {
                let weight = |audit: &Audit| audit.summary().entries;
                if best.as_ref().is_none_or(|(_, _, held)| weight(held) < weight(&audit)) {
                    best = Some((server.http.clone(), file, audit));
                }
            }
            Err(failure) => failures.push(failure),
        }
    }
    let nobody = || Failure::of_all(failures).unwrap_or_else(no_node);
    let (from, file, audit) = best.ok_or_else(nobody)?;
    wallet.keep_export(&known.cooperative, &file)?;
    Ok((from, audit))
}

fn fetch_from(
    known: &Known,
    server: &Server,
    key: Option<&SecretKey>,
) -> Outcome<(Vec<u8>, Audit)> {
    let node = Node::at(&server.http);
    let reader = key.map(|key| Reader { key, node: server.node });
    let path = format!("/v1/cooperatives/{}/export", known.cooperative);
    let file = node.read_bytes(&path, reader.as_ref())?;
    let audit = verify::audit(&file, &Policy::default(), clock::now_ms() / 1000)?;
    if audit.shown.cooperative != known.cooperative {
        return Err(Failure::node(
            format!("{} gave the export of another cooperative", node.shown()),
            "name another node with `talea join`",
        ));
    }
    if matches!(audit.status, Status::Invalid | Status::Forked) {
        let what = verify::text::headline(&audit);
        out::note(&styled(out::BAD, &format!("{}: {what}", node.shown())));
    }
    Ok((file, audit))
}

/// The last export that was fetched.
pub fn last_export(wallet: &Wallet, known: &Known) -> Outcome<Option<Audit>> {
    let path = wallet.export(&known.cooperative);
    match std::fs::read(&path) {
        Ok(file) => Ok(Some(verify::audit(&file, &Policy::default(), clock::now_ms() / 1000)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(&path, &error)),
    }
}
