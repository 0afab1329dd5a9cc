//! Where a stub listens, as people write it, and the connection to it.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How long a TCP connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// A stub's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket's path.
    Unix(PathBuf),
    /// A host and a port: `localhost:1234`, `[::1]:1234`, `:1234`, `tcp:host:1234`.
    Tcp(String, u16),
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address of a gdb stub: give HOST:PORT, or the path of a socket")]
pub struct NoAddress(String);

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let place = text.strip_prefix("tcp:").unwrap_or(text);
        let parts = place.rsplit_once(':').filter(|(host, _)| !host.contains('/'));
        let port = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match port {
            Some((host, port)) => {
                let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
                let host = if host.is_empty() { "localhost" } else { host };
                Ok(Self::Tcp(host.to_owned(), port))
            }
            None if text.contains('/') => Ok(Self::Unix(text.into())),
            None => Err(NoAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl Address {
    /// Connects. A stub stops its machine at that.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Unix(path) => Ok(UnixStream::connect(path)?.into()),
            Self::Tcp(host, port) => {
                let mut failure = io::Error::from(io::ErrorKind::NotFound);
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, CONNECT) {
                        // Each packet is small and waited for.
                        Ok(stream) => return stream.set_nodelay(true).map(|()| stream.into()),
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
        }
    }
}

/// The process that listens at the other end of a connected Unix socket; for a QEMU whose RAM is to be mapped.
#[must_use]
pub fn process_behind(socket: impl std::os::fd::AsFd) -> Option<u32> {
    let credentials = rustix::net::sockopt::socket_peercred(socket).ok()?;
    u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let tcp = |host: &str, port| Ok(Address::Tcp(host.to_owned(), port));
        for (text, expected) in [
            ("localhost:1234", tcp("localhost", 1234)),
            (":1234", tcp("localhost", 1234)),
            ("tcp::1234", tcp("localhost", 1234)),
            ("[::1]:1234", tcp("::1", 1234)),
            ("10.0.0.1:1", tcp("10.0.0.1", 1)),
            ("/run/a:1", Ok(Address::Unix("/run/a:1".into()))),
            ("./gdb.sock", Ok(Address::Unix("./gdb.sock".into()))),
            ("unix:gdb", Ok(Address::Unix("gdb".into()))),
            ("gdb", Err(NoAddress("gdb".to_owned()))),
            ("host:99999", Err(NoAddress("host:99999".to_owned()))),
            ("", Err(NoAddress(String::new()))),
        ] {
            assert_eq!(text.parse::<Address>(), expected, "{text}");
            if let Ok(address @ Address::Tcp(..)) = expected {
                assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }

    #[test]
    fn tcp_and_unix_sockets_are_connected_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Address::Tcp("127.0.0.1".to_owned(), port).connect().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let address = Address::Unix(path.clone());
        assert!(address.connect().is_err());
        let _listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        let socket = address.connect().unwrap();
        assert_eq!(process_behind(&socket), Some(std::process::id()));
    }
}
