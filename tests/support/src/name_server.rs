//! A DNS server for names that do not exist.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket as StdUdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::net::UdpSocket;

use crate::loopback::Loopback;

/// A DNS server over UDP with IPv4 addresses only. Names without a list of addresses do not exist; no list may be
/// cached.
#[derive(Debug)]
pub struct NameServer {
    names: Arc<Names>,
    server: Loopback,
}

#[derive(Debug, Default)]
struct Names(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    /// One list of addresses a question; the last is repeated.
    answers: Vec<Vec<Ipv4Addr>>,
    /// The questions for an IPv4 address so far.
    asked: usize,
}

const TYPE_A: u16 = 1;
/// The length of a DNS message's header (RFC 1035, 4.1.1).
const HEADER: usize = 12;

impl NameServer {
    /// A server that knows no name.
    #[must_use]
    pub fn start() -> Self {
        let socket = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port on loopback");
        socket
            .set_nonblocking(true)
            .expect("make the socket non-blocking");
        let address = socket.local_addr().expect("read the socket's address");
        let names = Arc::<Names>::default();
        let served = Arc::clone(&names);
        let server = Loopback::run(address, async move {
            let socket = UdpSocket::from_std(socket).expect("register the socket");
            let mut question = [0; 1500];
            loop {
                let Ok((length, peer)) = socket.recv_from(&mut question).await else {
                    continue;
                };
                if let Some(answer) = served.answer(&question[..length]) {
                    // Who asked may have gone.
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        });
        Self { names, server }
    }

    /// Lets `name` (lowercase) have these addresses from now on.
    pub fn put(&self, name: &str, addresses: &[Ipv4Addr]) {
        self.put_sequence(name, &[addresses]);
    }

    /// Lets `name` have one list of addresses after the other, a list a look, and then the last one for ever. Without a
    /// list the name does not exist, but is counted.
    pub fn put_sequence(&self, name: &str, answers: &[&[Ipv4Addr]]) {
        let answers = answers.iter().map(|addresses| addresses.to_vec()).collect();
        self.names
            .lock()
            .insert(name.to_owned(), Entry { answers, asked: 0 });
    }

    /// How often the IPv4 addresses of `name` were asked for since it was put; names never put are not counted.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        self.names.lock().get(name).map_or(0, |entry| entry.asked)
    }

    /// Where the server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

impl Names {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a message with one question (RFC 1035, 4.1), or none if it is no such message.
    fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (name, question_end) = name_at(message, HEADER)?;
        let kind = u16::from_be_bytes([*message.get(question_end)?, *message.get(question_end + 1)?]);
        let question = message.get(HEADER..question_end + 4)?;
        let (exists, addresses) = self.look_up(&name, kind);

        let mut answer = message.get(..2)?.to_vec(); // the id
        // A response, recursion desired and available; the code is 3 for a name that does not exist.
        answer.extend([0x81, if exists { 0x80 } else { 0x83 }]);
        for count in [1, u16::try_from(addresses.len()).ok()?, 0, 0] {
            answer.extend(count.to_be_bytes());
        }
        answer.extend(question);
        for address in addresses {
            // The name is that of the question, at byte 12; type A, class IN, time to live 0, 4 bytes.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }

    fn look_up(&self, name: &str, kind: u16) -> (bool, Vec<Ipv4Addr>) {
        let mut names = self.lock();
        let Some(entry) = names.get_mut(name) else {
            return (false, Vec::new());
        };
        if kind != TYPE_A {
            return (!entry.answers.is_empty(), Vec::new());
        }
        let answer = entry.answers.get(entry.asked).or(entry.answers.last()).cloned();
        entry.asked += 1;
        (answer.is_some(), answer.unwrap_or_default())
    }
}

/// The name that begins at a byte, in lowercase, and the byte after it.
fn name_at(message: &[u8], mut place: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(place)?);
        place += 1;
        if length == 0 {
            return Some((labels.join("."), place));
        }
        let label = message.get(place..place + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        place += length;
    }
}
