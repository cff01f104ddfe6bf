//! Attachments between nodes: brought in pieces from one peer after another, and given.
//!
//! One piece of one attachment is under way at a time, and waits nowhere: so a fetch holds a piece
//! in memory, whoever sends and however much. A peer that has it not, is silent, slow, or sends other
//! bytes is passed over for the next. Protocol, section 12.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use talea_protocol::attachment::Attachment;
use talea_protocol::bytes::Octets;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::{Message, PIECE_BYTES_MAX};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, warn};

use crate::clock::Clock;
use crate::link::{Frame, Links};
use crate::order::Orders;
use crate::shelf::{ARRIVING_MAX, Arriving, Label, Shelf, ShelfFault};

/// The longest that a peer may take for one piece.
const PIECE_MAX: Duration = Duration::from_secs(5);
/// The longest that one peer may take for an attachment: 16 MiB at 280 KiB/s.
const PEER_MAX: Duration = Duration::from_secs(60);
/// The least time for a piece that nobody waits for: 192 KiB at 512 KiB/s.
const PIECE_MIN: Duration = Duration::from_millis(375);

/// Whether somebody waits for an attachment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Haste {
    /// As fast as it comes.
    Asked,
    /// In the background, and as fast as the other once somebody asks.
    Unasked,
}

/// Why a peer is passed over.
#[derive(Debug, thiserror::Error)]
enum Passed {
    /// It has it not.
    #[error("it is not there")]
    Absent,
    /// Nothing comes, or too slowly.
    #[error("nothing comes")]
    Silent,
    /// A piece of another place or length.
    #[error("a piece of {found} bytes from {from} on came, asked for were {wanted} from {next} on")]
    Piece { from: u64, found: usize, next: u64, wanted: u64 },
    /// Other bytes, or this node cannot keep it.
    #[error(transparent)]
    Shelf(#[from] ShelfFault),
}

/// A piece that came.
struct Piece {
    from: u64,
    bytes: Vec<u8>,
}

/// Attachments on their way between this node and its peers.
pub struct Exchange {
    shelf: Arc<Shelf>,
    links: Arc<Links>,
    orders: Orders,
    clock: Clock,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    /// What is being brought: once at a time.
    labels: BTreeMap<Label, Haste>,
    /// The one piece that is asked of a peer.
    awaited: BTreeMap<(NodeKey, Label), mpsc::Sender<Piece>>,
    /// Pieces that are being read for a peer.
    given: BTreeMap<NodeKey, usize>,
}

impl Exchange {
    /// Nothing is under way.
    #[must_use]
    pub fn new(shelf: Arc<Shelf>, links: Arc<Links>, orders: Orders, clock: Clock) -> Self {
        Self { shelf, links, orders, clock, under_way: Mutex::default() }
    }

    /// Brings an attachment that a payload here names; false if no peer had it whole and right.
    ///
    /// # Errors
    /// [`ShelfFault`]: this node cannot take it now, or not any more.
    pub async fn fetch(
        self: Arc<Self>,
        label: Label,
        attachment: Attachment,
        haste: Haste,
    ) -> Result<bool, ShelfFault> {
        match self.under_way().labels.entry(label) {
            Entry::Vacant(free) => drop(free.insert(haste)),
            Entry::Occupied(mut begun) => {
                if haste == Haste::Asked {
                    begun.insert(haste);
                }
                return Err(ShelfFault::UnderWay);
            }
        }
        let fetched = self.fetch_from_any(label, &attachment).await;
        self.under_way().labels.remove(&label);
        fetched
    }

    async fn fetch_from_any(
        &self,
        label: Label,
        attachment: &Attachment,
    ) -> Result<bool, ShelfFault> {
        for peer in self.concerned(label.cooperative, self.links.peers()).await {
            let (asks, pieces) = mpsc::channel(1);
            self.under_way().awaited.insert((peer, label), asks);
            let brought = timeout(PEER_MAX, self.bring(peer, label, attachment, pieces)).await;
            self.under_way().awaited.remove(&(peer, label));
            match brought.unwrap_or(Err(Passed::Silent)) {
                Ok(()) => return Ok(true),
                Err(Passed::Shelf(fault @ ShelfFault::Mismatch(_))) => {
                    warn!(%peer, attachment = %label.blake3, %fault, "a peer gives other bytes");
                }
                Err(Passed::Shelf(fault)) => return Err(fault),
                Err(why) => debug!(%peer, attachment = %label.blake3, %why, "passed over"),
            }
        }
        Ok(false)
    }

    /// Those peers that may hear of this cooperative.
    async fn concerned(&self, cooperative: EntryId, peers: Vec<NodeKey>) -> Vec<NodeKey> {
        let concerned = self.orders.query(self.clock.steady, move |hosts| {
            let hosted = hosts.get(&cooperative);
            let concerned = |peer: &NodeKey| hosted.is_some_and(|it| it.concerns(peer));
            peers.into_iter().filter(concerned).collect()
        });
        concerned.await.unwrap_or_default()
    }

    async fn bring(
        &self,
        peer: NodeKey,
        label: Label,
        attachment: &Attachment,
        mut pieces: mpsc::Receiver<Piece>,
    ) -> Result<(), Passed> {
        let Label { cooperative, entry, blake3 } = label;
        let (shelf, of) = (Arc::clone(&self.shelf), attachment.clone());
        let mut arriving = aside(move || shelf.begin(label, &of)).await?;
        while !arriving.is_whole() {
            let next = arriving.found();
            let wanted = (attachment.size - next).min(piece_bytes_max());
            let asked_at = (self.clock.steady)();
            let ask = Message::Fetch { cooperative, entry, blake3, from: next };
            self.links.send(&peer, Frame { bytes: ask.frame(), sent: None });
            let piece = timeout(PIECE_MAX, pieces.recv()).await;
            let Piece { from, bytes } = piece.ok().flatten().ok_or(Passed::Silent)?;
            if bytes.is_empty() {
                return Err(Passed::Absent);
            }
            if from != next || u64::try_from(bytes.len()) != Ok(wanted) {
                return Err(Passed::Piece { from, found: bytes.len(), next, wanted });
            }
            arriving = aside(move || {
                arriving.take(&bytes)?;
                Ok::<Arriving, ShelfFault>(arriving)
            })
            .await?;
            if !arriving.is_whole() && self.under_way().labels.get(&label) == Some(&Haste::Unasked)
            {
                sleep((asked_at + PIECE_MIN).saturating_sub((self.clock.steady)())).await;
            }
        }
        let shelf = Arc::clone(&self.shelf);
        Ok(aside(move || shelf.keep(arriving)).await?)
    }

    /// A piece came; false if nobody waits for it.
    pub fn arrived(&self, peer: NodeKey, label: Label, from: u64, bytes: Vec<u8>) -> bool {
        let under_way = self.under_way();
        let awaited = under_way.awaited.get(&(peer, label));
        awaited.is_some_and(|asks| asks.try_send(Piece { from, bytes }).is_ok())
    }

    /// A peer asks for a piece: it is read beside what else the session hears. Whoever asks for more
    /// pieces at once than may arrive anywhere is not answered.
    pub fn give(self: Arc<Self>, peer: NodeKey, label: Label, from: u64) {
        {
            let mut under_way = self.under_way();
            let given = under_way.given.entry(peer).or_default();
            if *given >= ARRIVING_MAX {
                return;
            }
            *given += 1;
        }
        tokio::spawn(async move {
            if !self.concerned(label.cooperative, vec![peer]).await.is_empty() {
                let shelf = Arc::clone(&self.shelf);
                let read = aside(move || piece(&shelf, label, from)).await;
                let bytes = read.unwrap_or_else(|fault| {
                    error!(%fault, "an attachment cannot be read for a peer");
                    Octets::default()
                });
                let Label { cooperative, entry, blake3 } = label;
                let message = Message::Piece { cooperative, entry, blake3, from, bytes };
                self.links.send(&peer, Frame { bytes: message.frame(), sent: None });
            }
            let mut under_way = self.under_way();
            let given = under_way.given.entry(peer).or_default();
            *given = given.saturating_sub(1);
            if *given == 0 {
                under_way.given.remove(&peer);
            }
        });
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().expect("nothing panics while it holds what is under way")
    }
}

fn piece_bytes_max() -> u64 {
    u64::try_from(PIECE_BYTES_MAX).unwrap_or(u64::MAX)
}

/// What touches the disk waits apart from what touches sockets.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShelfFault> + Send + 'static,
) -> Result<T, ShelfFault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|gone| Err(std::io::Error::other(gone).into()))
}

/// The piece that begins there; none unless a payload here names the attachment and it is here.
fn piece(shelf: &Shelf, label: Label, from: u64) -> Result<Octets<PIECE_BYTES_MAX>, ShelfFault> {
    let named = shelf.named(&label)?.filter(|it| from < it.size);
    let (Some(_), Some(mut file)) = (named, shelf.read(&label)?) else {
        return Ok(Octets::default());
    };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(piece_bytes_max()).read_to_end(&mut bytes)?;
    Ok(Octets::new(bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosted::Hosted;
    use crate::link::{Joined, Outgoing};
    use crate::metrics::Metrics;
    use crate::order::Order;
    use crate::store::Store;
    use serde_json::json;
    use talea_ledger::batch::{Batch, Column};
    use talea_ledger::replica::{Moment, Replica, payload_key};
    use talea_protocol::attachment::Visibility;
    use talea_protocol::hash::Hash;
    use talea_protocol::key::SecretKey;
    use tokio::time::Instant;

    const HERE: EntryId = EntryId([1; 32]);
    const PEER: NodeKey = NodeKey([7; 32]);
    /// Pieces of the attachment, the last of one byte.
    const PIECES: usize = 7;

    /// The time of a paused runtime; beside it, where the writer is, none passes.
    fn steady() -> Duration {
        thread_local! { static START: Instant = Instant::now(); }
        let runs = tokio::runtime::Handle::try_current().is_ok();
        if runs { START.with(Instant::elapsed) } else { Duration::ZERO }
    }

    struct Scene {
        _folder: tempfile::TempDir,
        exchange: Arc<Exchange>,
        of: Attachment,
        label: Label,
        bytes: Vec<u8>,
    }

    impl Scene {
        /// A node whose one peer has an attachment that a payload here names.
        fn new() -> (Self, Outgoing) {
            let folder = tempfile::tempdir().unwrap();
            let bytes = vec![5; (PIECES - 1) * PIECE_BYTES_MAX + 1];
            let blake3 = Hash(*blake3::hash(&bytes).as_bytes());
            let (size, media) = (u64::try_from(bytes.len()).unwrap(), "image/jpeg".to_owned());
            let of = Attachment { blake3, size, media, visibility: Visibility::Members };
            let label = Label { cooperative: HERE, entry: EntryId([2; 32]), blake3 };
            let store = Arc::new(Store::open(&folder.path().join("store")).unwrap());
            let (mut batch, payload) = (Batch::new(), json!({ "attachments": [of] }).to_string());
            let value = [&[7; 32][..], payload.as_bytes()].concat();
            batch.put(Column::Payload, payload_key(&HERE, &label.entry), value);
            store.write(&batch).unwrap();
            let shelf = Arc::new(Shelf::open(folder.path(), store, 1 << 40).unwrap());
            let key = Arc::new(SecretKey::from_seed(&[3; 32]));
            let links = Arc::new(Links::new(key.node()));
            let Joined::Kept { outgoing, .. } = links.join(PEER, PEER, Duration::ZERO, |_| {})
            else {
                panic!("the first session")
            };
            let (orders, inbox) = Orders::new(Arc::new(Metrics::new()));
            let replica = Replica::new(Moment(0), HERE, key, &[PEER]);
            let hosted = Hosted::new(replica, vec![PEER]);
            std::thread::spawn(move || {
                let mut hosts = BTreeMap::from([(HERE, hosted)]);
                while let Ok(Order::Ask(question)) = inbox.recv() {
                    question(&mut hosts);
                }
            });
            let clock = Clock { wall: || 0, steady };
            let exchange = Arc::new(Exchange::new(shelf, links, orders, clock));
            (Self { _folder: folder, exchange, of, label, bytes }, outgoing)
        }

        fn fetch(&self, haste: Haste) -> impl Future<Output = Result<bool, ShelfFault>> + use<> {
            Arc::clone(&self.exchange).fetch(self.label, self.of.clone(), haste)
        }

        /// Answers each question at once; when each came, since the first. Somebody asks for the
        /// attachment when the question of this number came.
        async fn answer(&self, mut outgoing: Outgoing, hasten: Option<usize>) -> Vec<Duration> {
            let (mut asked, mut begun) = (Vec::new(), None);
            while asked.len() < PIECES {
                for frame in outgoing.next(9).await {
                    let Ok(Message::Fetch { from, .. }) = Message::parse(&frame.bytes) else {
                        panic!("a piece is asked for")
                    };
                    if hasten == Some(asked.len()) {
                        let again = self.fetch(Haste::Asked).await;
                        assert!(matches!(again, Err(ShelfFault::UnderWay)), "{again:?}");
                    }
                    asked.push(begun.get_or_insert_with(Instant::now).elapsed());
                    let left = &self.bytes[usize::try_from(from).unwrap()..];
                    let piece = left[..left.len().min(PIECE_BYTES_MAX)].to_vec();
                    assert!(self.exchange.arrived(PEER, self.label, from, piece));
                }
            }
            asked
        }
    }

    async fn fetched(haste: Haste, hasten: Option<usize>) -> Vec<Duration> {
        let (scene, outgoing) = Scene::new();
        let (fetched, asked) = tokio::join!(scene.fetch(haste), scene.answer(outgoing, hasten));
        assert!(fetched.unwrap());
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_comes_at_512_kib_a_second_and_what_somebody_does_at_once() {
        let rate = Duration::from_millis(192 * 1_000 / 512);
        let expected: Vec<Duration> = (0..7).map(|n| rate * n).collect();
        assert_eq!(fetched(Haste::Unasked, None).await, expected);
        assert_eq!(fetched(Haste::Asked, None).await, [Duration::ZERO; PIECES]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_slowly_comes_at_once_as_soon_as_somebody_asks() {
        let asked = fetched(Haste::Unasked, Some(2)).await;
        assert_eq!(asked[..3], [0, 1, 2].map(|n| PIECE_MIN * n));
        assert_eq!(asked[3..], [PIECE_MIN * 2; 4]);
    }
}
