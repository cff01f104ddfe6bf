//! The charter file, founding, and bringing a cooperative into a wallet.

use std::path::Path;

use serde::Deserialize;
use talea_protocol::key::{DeviceKey, NodeKey, SecretKey};
use talea_tools::book::Book;
use talea_tools::charter_file::{CharterFile, Fresh, TEMPLATE, with_consent};
use talea_tools::founding;
use talea_tools::journal::{Draft, reading};
use talea_tools::keyfile::{self, KeyFile};
use talea_tools::preview;
use talea_tools::slip::Invite;
use talea_tools::wallet::{Known, Server};
use talea_tools::witness;

use crate::cli::{self, CharterCommand, Common};
use crate::clock;
use crate::desk::{self, Desk, SIGN};
use crate::failure::{Failure, Outcome};
use crate::http::Node;
use crate::nodes::{Peer, host};
use crate::out::{self, Form};
use crate::people::{cooperative_id, slip_failure};
use crate::secret;
use crate::standing;

/// A node, and the door of its operator if that is on this machine.
struct Place {
    server: Server,
    control: Option<(Node, String)>,
}

/// What a node's operator is told of it, as far as it is of use here.
#[derive(Deserialize)]
struct Status {
    node: NodeKey,
    http: String,
    quic: String,
}

/// `talea charter`.
pub fn charter(common: &Common, command: &CharterCommand) -> Outcome {
    match command {
        CharterCommand::New(fresh) => new(common, fresh),
        CharterCommand::Template => {
            anstream::print!("{TEMPLATE}");
            Ok(())
        }
        CharterCommand::Check { file } => check(common, file),
        CharterCommand::Consent { file } => consent(common, file),
    }
}

fn new(common: &Common, fresh: &cli::Fresh) -> Outcome {
    let founders = fresh.founders.iter().map(|text| founder(common, text));
    let founders = founders.collect::<Outcome<Vec<_>>>()?;
    let own = KeyFile::read(&desk::wallet(common)?.key()).map(|file| file.device()).ok();
    let nodes = fresh.nodes.iter().map(|text| roster_node(text)).collect::<Outcome<Vec<_>>>()?;
    let (name, currency) = (fresh.name.clone(), fresh.currency.clone());
    let text = Fresh { name, currency, nodes, founders: founders.clone() }.text();
    let file = CharterFile::parse(&text)?;
    founding::examine(&file)?;
    if common.dry_run {
        out::say(text.trim_end());
        return Ok(());
    }
    let path = &fresh.output;
    let mut new = std::fs::File::create_new(path).map_err(|error| Failure::file(path, &error))?;
    std::io::Write::write_all(&mut new, text.as_bytes())
        .map_err(|error| Failure::file(path, &error))?;
    let handles: Vec<&str> = founders.iter().map(|(handle, _)| handle.as_str()).collect();
    let value = serde_json::json!({ "file": path, "founders": handles });
    desk::form(common).give(&value, |_| {
        out::say(&format!("{}: a charter for {}", path.display(), handles.join(" and ")));
        out::note("Next: read it, and change what is not so. Then each of the others types:");
        out::note(&format!("  talea charter consent {}", path.display()));
        if founders.iter().any(|(_, device)| Some(*device) == own) {
            out::note("and when they have, you type:");
            out::note(&format!(
                "  talea found {} --node {}",
                path.display(),
                fresh.nodes.join(" --node ")
            ));
        }
    });
    Ok(())
}

/// `HANDLE=DEVICE`, or a handle for this wallet's owner.
fn founder(common: &Common, text: &str) -> Outcome<(String, DeviceKey)> {
    match text.split_once('=') {
        None => {
            let file = KeyFile::read(&desk::wallet(common)?.key())?;
            Ok((text.to_owned(), file.device()))
        }
        Some((handle, device)) => {
            let device = device.parse().map_err(|_| {
                Failure::usage(
                    format!("`{device}` is no device"),
                    format!(
                        "have {handle} run `talea keys show`, and write the 64 digits of its device"
                    ),
                )
            })?;
            Ok((handle.to_owned(), device))
        }
    }
}

fn roster_node(text: &str) -> Outcome<NodeKey> {
    match text.parse() {
        Ok(node) => Ok(node),
        Err(_) => Ok(place(text)?.server.node),
    }
}

fn check(common: &Common, path: &Path) -> Outcome {
    let file = read_charter(path)?;
    show(common, &draft(&file, None)?, "This file would found")?;
    founding::examine(&file)?;
    let missing = file.missing()?;
    let value = serde_json::json!({ "missing": missing, "charter": file.charter()? });
    desk::form(common).give(&value, |_| out::say(&lacking(&missing)));
    Ok(())
}

fn lacking(missing: &[String]) -> String {
    if missing.is_empty() {
        return "Every founder has consented: found it with `talea found`.".to_owned();
    }
    format!("Consent is missing of: {}", missing.join(", "))
}

fn consent(common: &Common, path: &Path) -> Outcome {
    let text = read(path)?;
    let file = CharterFile::parse(&text)?;
    show(common, &draft(&file, None)?, "To consent to")?;
    founding::examine(&file)?;
    let wallet = desk::wallet(common)?;
    let key = secret::unlock(common, &wallet)?;
    let (handle, proof) = file.consent(&key)?;
    if !desk::confirm(common, SIGN)? {
        return Ok(());
    }
    let device = key.device();
    let signed = with_consent(&text, &device, &proof).ok_or_else(|| {
        Failure::usage(
            format!("the line of {handle}'s device cannot be found in {}", path.display()),
            "write `device = \"…\"` on a line of its own",
        )
    })?;
    let missing = CharterFile::parse(&signed)?.missing()?;
    std::fs::write(path, &signed).map_err(|error| Failure::file(path, &error))?;
    let proof = String::from(proof);
    let value = serde_json::json!({ "handle": handle, "proof": proof, "missing": missing });
    desk::form(common).give(&value, |_| {
        out::note(&format!("Written beside founder {handle} in {}:", path.display()));
        out::say(&format!("proof = \"{proof}\""));
        out::note(&lacking(&missing));
        if !missing.is_empty() {
            out::note("Whoever founds need not consent before: `talea found` does both.");
        }
    });
    Ok(())
}

/// `talea found`.
pub fn found(common: &Common, path: &Path, nodes: &[String]) -> Outcome {
    let mut file = CharterFile::parse(&read(path)?)?;
    founding::examine(&file)?;
    let wallet = desk::wallet(common)?;
    let key = secret::unlock(common, &wallet)?;
    let (handle, proof) = file.consent(&key)?;
    file.add_consent(&handle, proof);
    founding::consented(&file)?;
    let draft = draft(&file, Some(key.device()))?;
    Book::found(reading(draft.bytes())?)?;
    let charter = file.charter()?;
    let places = nodes.iter().map(|text| place(text)).collect::<Outcome<Vec<_>>>()?;
    let outside = |place: &&Place| {
        place.control.is_some() && !charter.roster.nodes.contains(&place.server.node)
    };
    if let Some(place) = places.iter().find(outside) {
        return Err(Failure::usage(
            format!("the charter's roster does not have the node {}", place.server.node),
            "write its key into the file's [roster], and have every founder consent again",
        ));
    }
    show(common, &draft, "To be founded")?;
    if !desk::confirm(common, SIGN)? {
        return Ok(());
    }
    let name = charter.name.to_string();
    let mut journal = wallet.journal(&draft.id())?;
    journal.promise(&draft)?;
    journal.sign(0, &key)?;
    drop(journal);
    witness::keep(&wallet, &draft.id())?;
    let nodes = places.iter().map(|place| place.server.clone()).collect();
    let known = Known { cooperative: draft.id(), name: name.clone(), nodes };
    wallet.know(&known)?;
    let standing = serve(common, &known, key, &places)?;
    let invite = (!known.nodes.is_empty()).then(|| invite_of(&known).render());
    let status = standing.first().map_or("kept", |one| one.status);
    let value = serde_json::json!({
        "cooperative": known.cooperative, "name": name, "status": status, "invite": invite,
    });
    desk::form(common).give(&value, |_| {
        out::say(&format!("{name} is founded: {}", known.cooperative));
        standing.iter().for_each(standing::say);
        if standing.is_empty() {
            out::note(
                "Next: have each node of the roster keep it (`talea node host`), then `talea send`.",
            );
        }
        if let Some(invite) = &invite {
            out::note("Pass this to the others; they type `talea join` and this line:");
            out::say(invite);
        }
    });
    Ok(())
}

/// Has the nodes on this machine keep the cooperative, and sends them its charter. Nothing without
/// such nodes.
fn serve(
    common: &Common,
    known: &Known,
    key: SecretKey,
    places: &[Place],
) -> Outcome<Vec<standing::Standing>> {
    let near = || places.iter().filter_map(|place| Some((place, place.control.as_ref()?)));
    for (place, (control, _)) in near() {
        let others = near().filter(|(other, _)| other.server.node != place.server.node);
        let peers = others
            .map(|(other, (_, quic))| Peer { node: other.server.node, address: quic.clone() });
        host(control, known.cooperative, &peers.collect::<Vec<Peer>>())?;
    }
    if near().next().is_none() || common.offline {
        return Ok(Vec::new());
    }
    Desk::at(common, known.clone(), key)?.deliver()
}

/// `talea join`.
pub fn join(common: &Common, id: &str, name: Option<&str>, nodes: &[String]) -> Outcome {
    let wallet = desk::wallet(common)?;
    let invite = id.trim().starts_with("talea:").then(|| Invite::parse(id)).transpose();
    let invite = invite.map_err(slip_failure)?;
    let is_invited = invite.is_some();
    let known = match invite {
        Some(Invite { cooperative, name, nodes }) => {
            let server = |(node, http): (NodeKey, String)| Server { node, http };
            Known { cooperative, name, nodes: nodes.into_iter().map(server).collect() }
        }
        None => {
            let cooperative = cooperative_id(id)?;
            let name = id.get(..8).unwrap_or(id).to_owned();
            Known { cooperative, name, nodes: Vec::new() }
        }
    };
    let own = wallet.cooperatives()?.into_iter().find(|it| it.cooperative == known.cooperative);
    let own = own.map(|own| own.name);
    let named = nodes.iter().map(|address| server(address)).collect::<Outcome<Vec<_>>>()?;
    let nodes = if named.is_empty() { known.nodes } else { named };
    let called = known.name;
    let name = name.map(str::to_owned).or_else(|| own.clone()).unwrap_or_else(|| called.clone());
    let is_own = is_invited && own.as_ref() == Some(&name) && name != called;
    let known = Known { name, nodes, ..known };
    if known.nodes.is_empty() {
        return Err(Failure::usage(
            "no node is named at which it is kept",
            "paste the whole invite (`talea invite` prints it), or add --node ADDRESS",
        ));
    }
    wallet.know(&known)?;
    desk::form(common).give(&known, |known| {
        let nodes: Vec<&str> = known.nodes.iter().map(|node| node.http.as_str()).collect();
        out::say(&format!("{} is known here, at {}", known.name, nodes.join(" ")));
        if is_own {
            out::note(&format!("The invite calls it {called}: this wallet's own name is kept."));
            out::note("Another name: `talea join` again, with --name NAME.");
        }
        out::note(
            "Next: `talea fetch` if you are a member, `talea request` if you want to be one.",
        );
    });
    Ok(())
}

/// `talea invite`.
pub fn invite(common: &Common) -> Outcome {
    let mut known = desk::wallet(common)?.cooperative(common.coop.as_deref())?;
    if known.nodes.is_empty() {
        return Err(standing::no_node());
    }
    // Nodes that a later roster has left out give no places; without an export all are passed on.
    if let Ok(desk) = Desk::reading(common) {
        let roster = &desk.book.register().roster().nodes;
        if known.nodes.iter().any(|server| roster.contains(&server.node)) {
            known.nodes.retain(|server| roster.contains(&server.node));
        }
    }
    let slip = invite_of(&known).render();
    desk::form(common).give(&serde_json::json!({ "slip": slip }), |_| {
        out::note(&format!("Who is to have {} types `talea join` and this line:", known.name));
        out::say(&slip);
    });
    Ok(())
}

fn invite_of(known: &Known) -> Invite {
    let nodes = known.nodes.iter().map(|server| (server.node, server.http.clone()));
    Invite { cooperative: known.cooperative, name: known.name.clone(), nodes: nodes.collect() }
}

/// `talea cooperatives`.
pub fn cooperatives(common: &Common) -> Outcome {
    let all = desk::wallet(common)?.cooperatives()?;
    desk::form(common).give(&all, |all| {
        for known in all {
            let nodes: Vec<&str> = known.nodes.iter().map(|node| node.http.as_str()).collect();
            out::say(&format!("{}  {}  {}", known.name, known.cooperative, nodes.join(" ")));
        }
    });
    Ok(())
}

/// A node by its HTTP address, which says its own name.
pub fn server(address: &str) -> Outcome<Server> {
    let node = Node::at(address);
    Ok(Server { node: node.identity()?, http: node.shown().to_owned() })
}

/// A node by its HTTP address, or by its data folder on this machine.
fn place(text: &str) -> Outcome<Place> {
    let folder = Path::new(text);
    if !folder.is_dir() {
        return Ok(Place { server: server(text)?, control: None });
    }
    if !folder.join("control.sock").exists() {
        return Err(Failure::node(
            format!("no node runs in the folder {text}"),
            format!("start it: talead run --data {text}"),
        ));
    }
    let control = Node::control(folder);
    let Status { node, http, quic } = control.read("/status", None)?;
    let http = Node::at(&http).shown().to_owned();
    // A node that listens everywhere is met here by those on the same machine.
    let quic = quic.replacen("0.0.0.0:", "127.0.0.1:", 1);
    Ok(Place { server: Server { node, http }, control: Some((control, quic)) })
}

fn draft(file: &CharterFile, device: Option<DeviceKey>) -> Outcome<Draft> {
    Ok(founding::draft(file, device, (clock::now_ms(), &*keyfile::random()?))?)
}

fn show(common: &Common, draft: &Draft, title: &str) -> Outcome {
    let payload = draft.payload_bytes();
    let rows = preview::rows(draft.bytes(), payload.as_deref(), None)
        .ok_or_else(|| Failure::usage("the charter cannot be shown", "report this"))?;
    if desk::form(common) == Form::Text {
        out::preview(title, &rows);
    }
    Ok(())
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

fn read_charter(path: &Path) -> Outcome<CharterFile> {
    Ok(CharterFile::parse(&read(path)?)?)
}
