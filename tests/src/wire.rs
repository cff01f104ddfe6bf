//! A small HTTP/1.1 client: one connection, kept open, one request after the other.
//!
//! It knows the answers that a node gives (a status, a length, a body) and takes nothing less for
//! an answer: of a node that is killed while it speaks, a test must not believe the beginning.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The longest that an answer may take: nothing here takes as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: u64 = 16 * 1024;
/// Longest body of an answer, in bytes: a page of entries is some megabytes long.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What came back, whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// A connection to a server.
pub struct Wire<S> {
    stream: BufReader<S>,
}

impl Wire<TcpStream> {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// The system's.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::over(stream))
    }
}

impl Wire<UnixStream> {
    /// Connects to a socket in a folder.
    ///
    /// # Errors
    /// The system's.
    pub fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::over(stream))
    }
}

impl<S: Read + Write> Wire<S> {
    /// Speaks over this stream.
    pub fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Asks, and waits for the answer. `headers` are whole lines, each with its end.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::UnexpectedEof`] if the answer ends early, and
    /// [`io::ErrorKind::InvalidData`] if it is none.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: node\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let mut head = self.stream.by_ref().take(HEAD_BYTES_MAX);
        let status = line(&mut head)?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid("a status"))?;
        let mut length = None;
        loop {
            let header = line(&mut head)?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok().filter(|length| *length <= BODY_BYTES_MAX);
            }
        }
        let mut body = vec![0; length.ok_or_else(|| invalid("a length"))?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body })
    }
}

/// A line without its end, which must be there.
fn line(head: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    let _ = head.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(whole) => Ok(whole.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an answer without {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says what it has prepared, and keeps what it is told.
    struct Prepared {
        says: io::Cursor<Vec<u8>>,
        hears: Vec<u8>,
    }

    impl Read for Prepared {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Prepared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.hears.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn wire(says: &str) -> Wire<Prepared> {
        let says = io::Cursor::new(says.as_bytes().to_vec());
        Wire::over(Prepared { says, hears: Vec::new() })
    }

    const TWO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}\
                       HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn one_connection_carries_one_answer_after_the_other() {
        let mut wire = wire(TWO);
        let first = wire.ask("GET", "/a", "X: 1\r\n", b"").unwrap();
        assert_eq!(first, Answer { status: 200, body: b"{}".to_vec() });
        let second = wire.ask("POST", "/b", "", b"body").unwrap();
        assert_eq!(second, Answer { status: 404, body: Vec::new() });
        let heard = String::from_utf8(wire.stream.into_inner().hears).unwrap();
        assert!(heard.starts_with("GET /a HTTP/1.1\r\nHost: node\r\nX: 1\r\n"), "{heard}");
        assert!(heard.ends_with("Content-Length: 4\r\n\r\nbody"), "{heard}");
    }

    #[test]
    fn an_answer_that_was_cut_off_anywhere_is_no_answer() {
        let whole = TWO.find("HTTP/1.1 404").unwrap();
        for end in 0..whole {
            let fault = wire(&TWO[..end]).ask("GET", "/", "", b"").unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::UnexpectedEof, "cut off at {end}");
        }
    }

    #[test]
    fn an_answer_of_unknown_length_is_refused() {
        for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"] {
            let fault = wire(head).ask("GET", "/", "", b"").unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::InvalidData, "{head}");
        }
    }
}
