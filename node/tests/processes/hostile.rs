//! Peers that mean no good, and what a node's process uses while they are there.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use talea_protocol::bytes::Octets;
use talea_protocol::key::SecretKey;
use talea_protocol::message::{Message, Reception};
use talea_protocol::quic::{
    Close, ConnectFault, Connection, Endpoint, Loss, Receiver, Sender, SessionFault,
};
use tokio::net::UdpSocket;

use crate::site::{PATIENCE, Site};

/// Longest datagram that a path carries, in bytes.
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// Somebody with a key, a socket and a session.
pub struct Guest {
    pub endpoint: Endpoint,
    pub connection: Connection,
    pub sender: Sender,
    pub receiver: Receiver,
}

/// A key that no other number has.
pub fn key(n: u16) -> SecretKey {
    let mut seed = [0xb0; 32];
    seed[..2].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_seed(&seed)
}

/// An address of this machine that no other number has, and no honest node of these tests.
pub fn elsewhere(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    SocketAddr::from(([127, 66, high, low.max(1)], 0))
}

pub fn here() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Dials a node, and opens a session.
pub async fn dial(
    site: &Site,
    key: &SecretKey,
    from: SocketAddr,
    to: SocketAddr,
) -> Result<Guest, ConnectFault> {
    let endpoint = Endpoint::bind(from, key).unwrap();
    let connection = endpoint.connect(to, site.node).await?;
    let (sender, receiver) = match connection.session().await {
        Ok(halves) => halves,
        Err(SessionFault::Lost(loss)) => return Err(ConnectFault::Lost(loss)),
        Err(_) => return Err(ConnectFault::Lost(connection.closed().await)),
    };
    Ok(Guest { endpoint, connection, sender, receiver })
}

/// A stranger at an address of its own, who dials again while there are too many.
pub async fn stranger(site: &Site, n: u16) -> Guest {
    let dialled = async {
        loop {
            if let Ok(guest) = dial(site, &key(n), elsewhere(n), site.quic).await {
                return guest;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dialled).await.expect("the stranger is let in")
}

/// What a stranger is told who is not let in.
pub async fn turned_away(site: &Site, n: u16) -> Close {
    let told = async {
        loop {
            match dial(site, &key(n), elsewhere(n), site.quic).await {
                Ok(guest) => return guest.sent_away().await,
                Err(ConnectFault::Lost(Loss::ByPeer(close))) => return close,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the stranger is told something")
}

impl Guest {
    /// Submits bytes; what is answered, or how the connection ended.
    pub async fn submit(&mut self, bytes: &[u8]) -> Result<Reception, Loss> {
        let entry = Octets::new(bytes.to_vec()).unwrap();
        let frame = Message::Submit { entry, payload: None }.frame();
        if self.sender.send(&frame).await.is_err() {
            return Err(self.connection.closed().await);
        }
        let Ok(Some(frame)) = self.receiver.receive().await else {
            return Err(self.connection.closed().await);
        };
        match Message::parse(&frame) {
            Ok(Message::Answer { reception, .. }) => Ok(reception),
            other => panic!("{other:?}"),
        }
    }

    /// Why it was closed by the node.
    pub async fn sent_away(&self) -> Close {
        match self.connection.closed().await {
            Loss::ByPeer(close) => close,
            other => panic!("{other:?}"),
        }
    }
}

/// Dials until a session lasts long enough to be answered in; how often it was told to wait.
pub async fn dial_until_heard(site: &Site, key: &SecretKey, from: SocketAddr) -> (Guest, u32) {
    let mut busy = 0;
    loop {
        if let Ok(mut guest) = dial(site, key, from, site.quic).await {
            match guest.submit(b"is anybody there?").await {
                Ok(_) => return (guest, busy),
                Err(loss) => assert_eq!(loss, Loss::ByPeer(Close::Busy)),
            }
        }
        busy += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The direction of a datagram on a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    ToNode,
    FromNode,
}

/// A path to a node that begins at the address returned, and on which `passes` says which
/// datagrams arrive.
pub async fn path(
    node: SocketAddr,
    from: SocketAddr,
    mut passes: impl FnMut(Way, &[u8]) -> bool + Send + 'static,
) -> SocketAddr {
    let front = UdpSocket::bind(from).await.unwrap();
    let back = UdpSocket::bind(from).await.unwrap();
    back.connect(node).await.unwrap();
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut there, mut home) = ([0; DATAGRAM_BYTES_MAX], [0; DATAGRAM_BYTES_MAX]);
        let mut dialer = None;
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut there) => {
                    dialer = Some(from);
                    if passes(Way::ToNode, &there[..length]) {
                        let _ = back.send(&there[..length]).await;
                    }
                }
                Ok(length) = back.recv(&mut home) => {
                    let arrives = passes(Way::FromNode, &home[..length]);
                    if let Some(dialer) = dialer.filter(|_| arrives) {
                        let _ = front.send_to(&home[..length], dialer).await;
                    }
                }
            }
        }
    });
    address
}

/// How often a limit of this name was met.
pub fn limits_met(site: &Site, limit: &str) -> u64 {
    metric(site, &format!("talea_limits_met_total{{limit=\"{limit}\"}} "))
}

/// A number of the node's.
pub fn metric(site: &Site, name: &str) -> u64 {
    let text = String::from_utf8(site.get("/metrics").body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |number| number.trim().parse().unwrap())
}

/// Waits until a limit of this name was met so often.
pub async fn until_met(site: &Site, limit: &str, times: u64) {
    while limits_met(site, limit) < times {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The process that keeps this node, found by its data folder.
fn process(site: &Site) -> u32 {
    let folder = site.folder().to_str().unwrap();
    let of_node = |process: &u32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.split('\0').any(|word| word == folder) && line.contains("talead")
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.into_iter().find(of_node).expect("it runs")
}

/// Resident memory of a node's process, in KiB.
pub fn resident_kib(site: &Site) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process(site))).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().split(' ').next().unwrap().parse().unwrap()
}
