//! What the nodes say of a device's chain, asked of all of them at once, and its entries.
//!
//! A node that says it holds more than the wallet has to show the last entry: its device's signature
//! is what is believed, not the node.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use talea_protocol::entry::{Entry, Signed, check};
use talea_protocol::key::{DeviceKey, SecretKey};
use talea_tools::heads::Head;
use talea_tools::healing;
use talea_tools::wallet::{Known, Server};

use crate::failure::{Failure, Outcome};
use crate::http::{Node, Reader};

/// Entries in one answer.
const PAGE: u32 = 500;

/// A chain as the nodes have it.
#[derive(Clone, Copy)]
pub struct Chain<'a> {
    /// The cooperative and its nodes.
    pub known: &'a Known,
    /// A member's key: a private cooperative answers nobody else.
    pub key: Option<&'a SecretKey>,
    /// Whose chain.
    pub device: DeviceKey,
}

/// What one node answered.
pub type Answer = (Server, Outcome<Head>);

#[derive(Deserialize)]
struct Page {
    entries: Vec<Row>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct Row {
    bytes: String,
}

impl Chain<'_> {
    /// What each node says, in the order in which the wallet knows them. Whoever says more than
    /// `here` entries has shown the last one.
    pub fn ask(&self, here: u64) -> Vec<Answer> {
        std::thread::scope(|scope| {
            let asked: Vec<_> = self
                .known
                .nodes
                .iter()
                .map(|server| (server, scope.spawn(move || self.head(server, here))))
                .collect();
            let joined = asked.into_iter().map(|(server, asking)| {
                let broken = || Failure::node("a question to a node was broken off", "try again");
                (server.clone(), asking.join().unwrap_or_else(|_| Err(broken())))
            });
            joined.collect()
        })
    }

    /// The open forks that each node tells of. They bear on every chain of the cooperative.
    pub fn forks(&self) -> Vec<(Server, Outcome<Vec<healing::Row>>)> {
        let path = format!("/v1/cooperatives/{}/forks?limit={PAGE}", self.known.cooperative);
        let ask = |server: &Server| {
            let node = Node::at(&server.http);
            (server.clone(), node.read(&path, self.reader(server).as_ref()))
        };
        self.known.nodes.iter().map(ask).collect()
    }

    fn head(&self, server: &Server, here: u64) -> Outcome<Head> {
        let path = format!("/v1/cooperatives/{}/heads/{}", self.known.cooperative, self.device);
        let node = Node::at(&server.http);
        let mut head = match node.read::<Head>(&path, self.reader(server).as_ref()) {
            Ok(head) => head,
            // It keeps the cooperative, and has never heard of the device.
            Err(failure) if failure.is_absence() || failure.is_beginning() => {
                Head::nothing(server.node)
            }
            Err(failure) => return Err(failure),
        };
        head.node = server.node;
        if head.length > here {
            let last = self.entries(server, &head, head.length - 1)?;
            if !last.first().is_some_and(|last| head.is_shown_by(&self.device, last)) {
                return Err(Failure::node(
                    format!("{} says that it holds more than it shows", server.http),
                    "ask again; if it stays so, name another node with `talea join`",
                ));
            }
        }
        Ok(head)
    }

    /// The entries that a node holds from a place on, each signed by somebody.
    pub fn entries(&self, server: &Server, head: &Head, from: u64) -> Outcome<Vec<Signed>> {
        match head.number {
            Some(number) => self.pages(server, &format!("chains/{number}"), from),
            None => Ok(Vec::new()),
        }
    }

    /// The register that a node holds, from a number on, each entry signed by somebody.
    pub fn register(&self, server: &Server, from: u64) -> Outcome<Vec<Signed>> {
        self.pages(server, "register", from)
    }

    fn pages(&self, server: &Server, of: &str, from: u64) -> Outcome<Vec<Signed>> {
        let (node, mut entries) = (Node::at(&server.http), Vec::new());
        let mut from = Some(from);
        while let Some(first) = from.take() {
            let cooperative = self.known.cooperative;
            let path = format!("/v1/cooperatives/{cooperative}/{of}?from={first}&limit={PAGE}");
            let page: Page = node.read(&path, self.reader(server).as_ref())?;
            let given = page.entries.len();
            for row in page.entries {
                let bytes = STANDARD.decode(&row.bytes).unwrap_or_default();
                let entry = Entry::parse(bytes)?;
                entries.extend(check(vec![entry]).pop().and_then(Result::ok));
            }
            // A node that has not put all on its disk yet says so by a page without entries.
            from = page.next.filter(|next| given > 0 && *next > first);
        }
        Ok(entries)
    }

    fn reader(&self, server: &Server) -> Option<Reader<'_>> {
        self.key.map(|key| Reader { key, node: server.node })
    }
}
