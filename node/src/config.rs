//! What an operator decides: a TOML file, then the environment, then flags; the last word counts.
//!
//! Nothing here is known to the protocol: two nodes with other settings keep the same logs. An
//! unknown key is an error, since a mistyped one would silently leave its default in force.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use talea_protocol::key::NodeKey;

/// The file's name in the data folder.
pub const FILE: &str = "config.toml";
/// Longest address of a peer, in bytes: a DNS name has 253 at most, and a port follows.
pub const ADDRESS_BYTES_MAX: usize = 260;
/// Peers in the file.
pub const PEERS_MAX: usize = 64;

/// The settings of a node.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the operator calls this node. It is shown to the operator only.
    pub name: String,
    /// Where HTTP is served. It is meant for this machine: there is no TLS.
    pub http: SocketAddr,
    /// Where other nodes and wallets are answered, by QUIC.
    pub quic: SocketAddr,
    /// What is logged, as a filter of `tracing`: `info`, `warn`, `talea_node=debug`.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Which attachments are fetched from the roster's other nodes.
    pub attachments: Attachments,
    /// What the attachments of one cooperative may take of the disk, in GiB.
    pub attachments_gib: u32,
    /// Nodes that are dialled.
    pub peers: Vec<Peer>,
}

/// Which attachments a node fetches from the others.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Attachments {
    /// All that settled entries name, before anybody asks for them.
    #[default]
    All,
    /// Those that somebody asks for here.
    OnDemand,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A node and where to find it.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its key.
    pub node: NodeKey,
    /// Its host and UDP port.
    pub address: String,
}

impl Peer {
    /// Whether the address has the shape of one: a host, a colon, a port.
    #[must_use]
    pub fn is_addressed(&self) -> bool {
        let port = self.address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
        self.address.len() <= ADDRESS_BYTES_MAX && port.is_some_and(|port| port > 0)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: String::new(),
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 7340)),
            quic: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7341)),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            attachments: Attachments::All,
            attachments_gib: 64,
            peers: Vec::new(),
        }
    }
}

/// What flags and environment say over the file.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Overrides {
    /// Serve HTTP here, instead of what config.toml says (port 0: any free one)
    #[arg(long, env = "TALEA_HTTP", value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,
    /// Answer nodes and wallets here by QUIC (port 0: any free one)
    #[arg(long, env = "TALEA_QUIC", value_name = "ADDRESS")]
    pub quic: Option<SocketAddr>,
    /// Log this: off, error, warn, info, debug, or a filter such as talea_node=debug
    #[arg(long, env = "TALEA_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Log in this form
    #[arg(long, env = "TALEA_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Fetch these attachments from the roster's other nodes
    #[arg(long, env = "TALEA_ATTACHMENTS", value_name = "WHICH")]
    pub attachments: Option<Attachments>,
}

/// Why there are no settings. The operator's to solve.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The file is not TOML, or says something that this program does not know.
    #[error("{}: {cause}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        cause: Box<toml::de::Error>,
    },
    /// A peer that cannot be dialled.
    #[error("{}: {address:?} is not a host and a port", path.display())]
    Address {
        /// The file.
        path: PathBuf,
        /// What it says.
        address: String,
    },
    /// More peers than a node dials.
    #[error("{}: {count} peers, at most {PEERS_MAX} are allowed", path.display())]
    Peers {
        /// The file.
        path: PathBuf,
        /// How many it names.
        count: usize,
    },
}

impl ConfigFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unread { .. } => "make the data folder with: talead init --data <folder>",
            Self::Syntax { .. } => "every key is explained in the file that talead init writes",
            Self::Address { .. } => {
                "write peers as [[peers]] node = \"<hex>\" address = \"host:7341\""
            }
            Self::Peers { .. } => "name fewer peers: each learns of the others through the logs",
        }
    }
}

impl Config {
    /// Bytes that the attachments of one cooperative may have.
    #[must_use]
    pub fn attachments_bytes(&self) -> u64 {
        u64::from(self.attachments_gib) * 1024 * 1024 * 1024
    }

    /// Reads the file in the data folder; without one, the defaults hold.
    ///
    /// # Errors
    /// [`ConfigFault`].
    pub fn read(data: &Path, over: &Overrides) -> Result<Self, ConfigFault> {
        let path = data.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && data.is_dir() => String::new(),
            Err(cause) => return Err(ConfigFault::Unread { path, cause }),
        };
        Ok(Self::parse(&text, &path)?.with(over))
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigFault> {
        let path = || path.to_owned();
        let syntax = |cause| ConfigFault::Syntax { path: path(), cause: Box::new(cause) };
        let config: Self = toml::from_str(text).map_err(syntax)?;
        if config.peers.len() > PEERS_MAX {
            return Err(ConfigFault::Peers { path: path(), count: config.peers.len() });
        }
        match config.peers.iter().find(|peer| !peer.is_addressed()) {
            Some(peer) => Err(ConfigFault::Address { path: path(), address: peer.address.clone() }),
            None => Ok(config),
        }
    }

    fn with(self, over: &Overrides) -> Self {
        Self {
            http: over.http.unwrap_or(self.http),
            quic: over.quic.unwrap_or(self.quic),
            log: over.log.clone().unwrap_or(self.log),
            log_format: over.log_format.unwrap_or(self.log_format),
            attachments: over.attachments.unwrap_or(self.attachments),
            ..self
        }
    }

    /// The file that `init` writes: every key with its default, explained.
    #[must_use]
    pub fn template(name: &str) -> String {
        let default = Self::default();
        // As a TOML string: what Rust and TOML escape alike, and nothing else occurs in a name.
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        TEMPLATE
            .replace("{name}", &name)
            .replace("{http}", &default.http.to_string())
            .replace("{quic}", &default.quic.to_string())
            .replace("{log}", &default.log)
            .replace("{attachments_gib}", &default.attachments_gib.to_string())
    }
}

const TEMPLATE: &str = r#"# Settings of this Talea node. The environment (TALEA_HTTP, TALEA_QUIC, TALEA_LOG,
# TALEA_LOG_FORMAT, TALEA_ATTACHMENTS) goes before this file, and flags go before both. An unknown key is an error.

# What you call this node. Nobody else sees it.
name = "{name}"

# HTTP for wallets, browsers and monitoring on this machine. There is no TLS here: to reach it
# from elsewhere, put a proxy in front. Port 0 takes any free port.
http = "{http}"

# QUIC for other nodes and for wallets: open this UDP port in your firewall.
quic = "{quic}"

# What goes to the standard error: off, error, warn, info, debug, or for instance
# "info,talea_node=debug"; as "text" or as "json", one object a line.
log = "{log}"
log_format = "text"

# Files that entries name: "all" fetches them from the roster's other nodes before anybody asks, so
# that the loss of one node loses none; "on-demand" fetches those alone that somebody asks for here.
# And how much of the disk those of one cooperative may take, in GiB; 1 GiB of it is always left.
attachments = "all"
attachments_gib = {attachments_gib}

# Nodes that this one dials. Those of a cooperative also come with "talea node host".
# [[peers]]
# node = "<64 hexadecimal digits: talead id>"
# address = "node.example.org:7341"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigFault> {
        Config::parse(text, Path::new("config.toml"))
    }

    #[test]
    fn the_file_that_init_writes_says_the_defaults() {
        let config = parse(&Config::template("Le \"Fournil\" \\ nord\n")).unwrap();
        let name = "Le \"Fournil\" \\ nord".to_owned();
        assert_eq!(config, Config { name, ..Config::default() });
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let fault = parse("htttp = \"127.0.0.1:1\"").unwrap_err();
        assert!(fault.to_string().contains("htttp"), "{fault}");
        assert!(parse("[[peers]]\nnode = \"00\"\naddress = \"a:1\"").is_err());
    }

    #[test]
    fn flags_go_before_the_file() {
        let over = Overrides { http: "127.0.0.1:9".parse().ok(), ..Overrides::default() };
        let config = parse("http = \"127.0.0.1:1\"\nquic = \"127.0.0.1:2\"").unwrap().with(&over);
        assert_eq!((config.http.port(), config.quic.port()), (9, 2));
    }

    #[test]
    fn a_peer_without_a_port_is_refused() {
        let key = "11".repeat(32);
        for (address, good) in [
            ("a.example:7341", true),
            ("[::1]:7341", true),
            ("a", false),
            (":1", false),
            ("a:0", false),
        ] {
            let text = format!("[[peers]]\nnode = \"{key}\"\naddress = \"{address}\"");
            assert_eq!(parse(&text).is_ok(), good, "{address}");
        }
    }

    #[test]
    fn http_is_for_this_machine_unless_somebody_says_otherwise() {
        assert!(Config::default().http.ip().is_loopback());
    }
}
