//! An upload that breaks off: the wallet says so, sends it again, and loses nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::founded::Founded;
use crate::program::talea;

/// So much of an upload comes through before it is cut.
const BEFORE_CUT: usize = 200_000;

/// A way to a node on which uploads break off, as often as is left.
struct Cutter {
    address: SocketAddr,
    left: Arc<AtomicUsize>,
}

impl Cutter {
    fn before(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let left = Arc::new(AtomicUsize::new(0));
        let (node, cuts) = (node.to_owned(), Arc::clone(&left));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(there) = TcpStream::connect(&node) else { continue };
                let (back, cuts) = (
                    (there.try_clone().expect("a socket"), stream.try_clone().expect("a socket")),
                    Arc::clone(&cuts),
                );
                std::thread::spawn(move || pass(back.0, back.1, &AtomicUsize::new(0)));
                std::thread::spawn(move || pass(stream, there, &cuts));
            }
        });
        Self { address, left }
    }
}

/// Passes on what comes, until it ends or an upload is cut.
fn pass(mut from: TcpStream, mut to: TcpStream, cuts: &AtomicUsize) {
    let (mut buffer, mut uploaded) = (vec![0; 64 * 1024], None);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if buffer.starts_with(b"PUT ") {
            uploaded = Some(0);
        }
        uploaded = uploaded.map(|bytes| bytes + count);
        if uploaded.is_some_and(|bytes| bytes > BEFORE_CUT) && cuts.load(Ordering::SeqCst) > 0 {
            cuts.fetch_sub(1, Ordering::SeqCst);
            break;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn kept(wallet: &Path) -> usize {
    let all = std::fs::read_dir(wallet.join("cooperatives")).expect("a wallet");
    let attics = all.map(|it| it.expect("a folder").path().join("attachments"));
    attics.filter_map(|attic| attic.read_dir().ok()).map(Iterator::count).sum()
}

#[test]
fn an_upload_that_breaks_off_is_made_again_and_what_no_node_takes_waits_in_the_wallet() {
    let founded = Founded::new();
    let (bruno, cutter) = (founded.wallet("bruno"), Cutter::before(&founded.node.http));
    let (id, address) = (founded.cooperative().to_string(), format!("http://{}", cutter.address));
    talea(&bruno, &["join", &id, "--node", &address]).good();
    let photo = founded.write("photo.jpg", &vec![7; 2_000_000]);
    let photo = photo.to_str().expect("a path");
    let add = |quantity: &str| {
        let words = ["add", "work", quantity, "--on", "2026-01-12", "--yes", "--attach", photo];
        talea(&bruno, &words).good()
    };
    cutter.left.store(1, Ordering::SeqCst);
    let said = add("3h");
    assert!(said.err.contains("it is sent again, try 2 of 3"), "{}", said.err);
    assert!(!said.err.contains("kept for"), "{}", said.err);
    assert_eq!((kept(&bruno), cutter.left.load(Ordering::SeqCst)), (0, 0));

    cutter.left.store(9, Ordering::SeqCst);
    let said = add("2h");
    assert!(
        said.err.contains("try 3 of 3") && said.err.contains("0 of 1 nodes have it"),
        "{}",
        said.err
    );
    assert_eq!((kept(&bruno), cutter.left.load(Ordering::SeqCst)), (1, 6));

    cutter.left.store(0, Ordering::SeqCst);
    talea(&bruno, &["send"]).good();
    assert_eq!(kept(&bruno), 0);
    for entry in ["bruno/0", "bruno/1"] {
        let copy = founded.write("copy.jpg", b"");
        let out = copy.to_str().expect("a path");
        talea(&founded.wallet("chloe"), &["fetch"]).good();
        talea(&founded.wallet("chloe"), &["attachment", "get", entry, "-o", out]).good();
        assert_eq!(std::fs::read(&copy).expect("a file"), std::fs::read(photo).expect("a file"));
    }
}
