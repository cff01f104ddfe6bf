//! Attacks over HTTP (reliability, section 7): questions that cost much, names that lead
//! elsewhere, texts that do something to whoever looks at them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use talea_protocol::act::Act;
use talea_protocol::bytes::Text;
use talea_protocol::charter::Visibility;
use talea_protocol::entry::Header;
use talea_protocol::hash::EntryId;

use crate::people::{Author, charter, found};
use crate::site::{PATIENCE, Site};

/// Rows of a page.
const PAGE: usize = 500;

#[test]
fn expensive_queries_give_500_rows_and_hold_up_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(100, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    for n in 0..PAGE + 20 {
        site.submit(&authors[1].work(cooperative, 1 + i64::try_from(n % 400).unwrap())).good();
    }
    site.wait_settled(&authors[0].key, &cooperative, PAGE + 21);
    let base = format!("/v1/cooperatives/{cooperative}");
    let asked = ["limit=500", "limit=501", "limit=4294967295"];
    for path in ["chains/1", "state/members/1"] {
        for query in asked {
            let path = format!("{base}/{path}?{query}");
            let page = site.get_as(&authors[0].key, &path).good();
            let rows = page["entries"].as_array().or(page["statement"]["uncounted"].as_array());
            assert_eq!((rows.unwrap().len(), &page["next"]), (PAGE, &json!(PAGE)), "{path}");
        }
    }
    for query in ["limit=4294967296", "limit=-1", "from=99999999999999999999"] {
        let path = format!("{base}/chains/1?{query}");
        assert_eq!(site.get_as(&authors[0].key, &path).code(), "bad-request", "{query}");
    }
    // As many as there are connections ask for all there is, and a member goes on.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..48 {
            let (site, key, stop, base) = (&site, &authors[0].key, &stop, &base);
            let report = ["state/members", "state/members/1", "chains/1"][n % 3];
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let answer = site.get_as(key, &format!("{base}/{report}?limit=500"));
                    assert!([200, 503].contains(&answer.status), "{}", answer.status);
                }
            });
        }
        let mut author = Author::new(3);
        for n in 0..50 {
            let begun = Instant::now();
            site.submit(&author.work(cooperative, 1 + n)).good();
            assert!(begun.elapsed() < PATIENCE / 10, "{:?}", begun.elapsed());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// What would be seen if a name led out of what is meant to be seen.
fn secrets(site: &Site) -> Vec<Vec<u8>> {
    let key = std::fs::read(site.folder().join("node.key")).unwrap();
    vec![key[16..48].to_vec(), b"root:".to_vec(), b"[[peers]]".to_vec()]
}

#[test]
fn no_name_in_a_path_leads_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let secrets = secrets(&site);
    let of = |rest: &str| format!("/v1/cooperatives/{cooperative}/{rest}");
    let names = [
        "../../node.key",
        "..%2f..%2fnode.key",
        "%2e%2e/%2e%2e/node.key",
        "..%5c..%5cnode.key",
        "....//....//node.key",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "file:%2f%2f%2fetc%2fpasswd",
        "000%00",
        "0%0a",
        "x000/../../../../config.toml",
        "%c0%ae%c0%ae/node.key",
        "~/node.key",
        "0/x000/000.p/../../../config.toml",
        "-1/000",
        "0/%2e%2e",
    ];
    let mut paths: Vec<String> =
        vec!["/../../node.key".to_owned(), "/%2e%2e/config.toml".to_owned()];
    for name in names {
        paths.extend(
            ["tile/", "entries/", "chains/", "proofs/", "state/", ""]
                .map(|at| of(&format!("{at}{name}"))),
        );
        paths.push(format!("/v1/cooperatives/{name}"));
        paths.push(format!("/v1/cooperatives/{name}/export"));
    }
    for path in paths {
        let answer = site.get_as(&authors[0].key, &path);
        assert!([400, 401, 404].contains(&answer.status), "{path}: {}", answer.status);
        for secret in &secrets {
            let leaks = answer.body.windows(secret.len()).any(|part| part == secret);
            assert!(!leaks, "{path} shows {}", String::from_utf8_lossy(&answer.body));
        }
    }
    // Nor does a name that a peer gives: nothing in the folder is called after anything but an id.
    let strange: Vec<String> = std::fs::read_dir(site.folder().join("promise"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with(&cooperative.to_string()))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// A name that a browser, a spreadsheet and a terminal would each do something with.
const NAME: &str = "=HYPERLINK(\"http://x\") <script>alert(1)</script> \u{202e}gpj.exe \u{2066}";

/// Characters that move a cursor or colour a terminal.
fn acts_on_a_terminal(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.chars().any(|c| c.is_control() && c != '\n')
}

#[test]
fn no_text_that_a_member_writes_acts_on_whoever_reads_what_the_node_says() {
    // A terminal's escapes are no text in the first place, wherever text is read.
    for escape in ["\u{1b}[2J", "\u{9b}31m", "\u{7}", "\r", "\u{0}", "\u{7f}", "\u{85}"] {
        assert!(Text::<100>::try_from(format!("a{escape}b")).is_err(), "{escape:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let mut authors: Vec<Author> = (1..=2).map(Author::new).collect();
    let mut named = charter(&authors, &[site.node], 1, Visibility::Public);
    named.name = Text::try_from(NAME.to_owned()).unwrap();
    let hash = named.founding_hash();
    let founders = named.founders.iter().zip(&authors).map(|(founder, author)| {
        let proof = author.key.sign(talea_protocol::key::Purpose::Enrolment, &hash.0);
        talea_protocol::charter::Founder { proof, ..founder.clone() }
    });
    named.founders = talea_protocol::bytes::List::new(founders.collect()).unwrap();
    let root = Header {
        cooperative: EntryId::ZERO,
        basis: EntryId::ZERO,
        ..authors[0].header(EntryId::ZERO)
    };
    let charter = authors[0].state(&root, &Act::Charter(Box::new(named)));
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let note = format!("{NAME}\u{1b}]0;owned\u{7}").into_bytes();
    let entry = authors[1].work_with(cooperative, &[7; 32], &note);
    let body = json!({
        "entry": STANDARD.encode(entry.bytes()),
        "payload": { "salt": "07".repeat(32), "bytes": STANDARD.encode(&note) },
    });
    site.post(&cooperative, &body).good();
    let base = format!("/v1/cooperatives/{cooperative}");
    let texts = [
        "/v1/cooperatives".to_owned(),
        base.clone(),
        format!("{base}/register"),
        format!("{base}/entries/{}", entry.id()),
        format!("{base}/state/members"),
        format!("{base}/checkpoint"),
        "/metrics".to_owned(),
        "/openapi.json".to_owned(),
        // What was asked is told again in a problem.
        format!("{base}/state/%1b%5b2J%3Cscript%3E%e2%80%ae"),
        format!("{base}/chains/%c2%9b31m"),
        "/%1b%5b31m%3Cscript%3E".to_owned(),
        format!("{base}/tile/%07%0d%0a"),
    ];
    for path in texts {
        let answer = site.get(&path);
        let head = answer.head.to_lowercase();
        assert!(
            !acts_on_a_terminal(&answer.body),
            "{path}: {:?}",
            String::from_utf8_lossy(&answer.body)
        );
        assert!(!head.contains("text/html"), "{path} is shown as a page: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path} may be taken for one");
    }
    let shown = site.get(&base).good();
    assert_eq!(shown["name"], NAME, "nothing is lost either");
}

/// Sixty connections that say half a request, and nothing more.
#[test]
fn half_a_request_is_waited_for_ten_seconds_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let begun = Instant::now();
    let mut half: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(site.http).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: node\r\n").unwrap();
            stream
        })
        .collect();
    // All places are taken; the next is served when they are free again.
    assert_eq!(site.get("/livez").status, 200);
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(5) && waited < Duration::from_secs(25), "{waited:?}");
    let mut rest = Vec::new();
    let _ = half[0].read_to_end(&mut rest);
}
