//! A wire between two nodes of this machine that can be cut: it passes datagrams on, counts them,
//! or drops them.
//!
//! It knows nothing of what it carries. Whoever dials its address reaches its target.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Largest datagram, in bytes.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// What IPv4 and UDP add to each datagram, in bytes.
const HEADER_BYTES: u64 = 28;

/// The wire. It is gone when dropped.
pub struct Relay {
    address: SocketAddr,
    meter: Arc<Meter>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Meter {
    cut: AtomicBool,
    bytes: AtomicU64,
    lost: AtomicU64,
}

impl Relay {
    /// A wire to this address. One dials it; whoever does so last is who is answered.
    ///
    /// # Errors
    /// The system's, if there is no free port.
    pub async fn to(target: SocketAddr) -> io::Result<Self> {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        far.connect(target).await?;
        let address = near.local_addr()?;
        let meter = Arc::new(Meter::default());
        let task = tokio::spawn(carry(near, far, Arc::clone(&meter)));
        Ok(Self { address, meter, task })
    }

    /// Where to dial.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops everything from now on.
    pub fn cut(&self) {
        self.meter.cut.store(true, Ordering::SeqCst);
    }

    /// Passes everything on from now on.
    pub fn join(&self) {
        self.meter.cut.store(false, Ordering::SeqCst);
    }

    /// Bytes passed on by now, both ways, with the headers of IP and UDP.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.meter.bytes.load(Ordering::SeqCst)
    }

    /// Datagrams dropped by now.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.meter.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: UdpSocket, far: UdpSocket, meter: Arc<Meter>) {
    let mut there = vec![0; DATAGRAM_BYTES_MAX];
    let mut back = vec![0; DATAGRAM_BYTES_MAX];
    let mut dialler = None;
    loop {
        tokio::select! {
            received = near.recv_from(&mut there) => {
                let Ok((length, from)) = received else { continue };
                dialler = Some(from);
                if meter.passes(length) {
                    // What does not fit the wire is lost, as on any other.
                    let _ = far.send(&there[..length]).await;
                }
            }
            received = far.recv(&mut back) => {
                let (Ok(length), Some(dialler)) = (received, dialler) else { continue };
                if meter.passes(length) {
                    let _ = near.send_to(&back[..length], dialler).await;
                }
            }
        }
    }
}

impl Meter {
    /// Whether a datagram of this length is passed on; counts it if so.
    fn passes(&self, length: usize) -> bool {
        let passes = !self.cut.load(Ordering::SeqCst);
        if passes {
            self.bytes.fetch_add(HEADER_BYTES + length as u64, Ordering::SeqCst);
        } else {
            self.lost.fetch_add(1, Ordering::SeqCst);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wire_carries_both_ways_counts_and_can_be_cut() {
        let target = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let relay = Relay::to(target.local_addr().unwrap()).await.unwrap();
        let dialler = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut buffer = [0; 16];
        dialler.send_to(b"there", relay.address()).await.unwrap();
        let (length, from) = target.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"there");
        target.send_to(b"back", from).await.unwrap();
        let (length, near) = dialler.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], near), (&b"back"[..], relay.address()));
        assert_eq!(relay.bytes(), 2 * 28 + 9);
        relay.cut();
        dialler.send_to(b"lost", relay.address()).await.unwrap();
        target.send_to(b"lost too", from).await.unwrap();
        while relay.lost() < 2 {
            tokio::task::yield_now().await;
        }
        relay.join();
        dialler.send_to(b"again", relay.address()).await.unwrap();
        let (length, _) = target.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"again");
        assert_eq!(relay.bytes(), 3 * 28 + 14);
    }
}
