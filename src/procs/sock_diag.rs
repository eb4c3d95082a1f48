//! The kernel's `sock_diag` (Linux 3.3): asked for the sockets that listen, it walks those alone.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::listeners::Listeners;

/// Bytes of one answer: no dump of the kernel's is made of longer ones.
const ANSWER_MAX: usize = 32 << 10;
/// Most sockets taken over: as many as the tables in `/proc/net` are read for.
const SOCKETS_MAX: usize = 100_000;

/// `SOCK_DIAG_BY_FAMILY`, which also its answers are called.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const ALL_OF_THEM: u16 = 0x301;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The states to show, as bits: `TCP_LISTEN` is 10.
const LISTENING: u32 = 1 << 10;
const TCP: u8 = 6;

/// `struct nlmsghdr`: length, type, flags, sequence, sender.
const HEADER: usize = 16;
/// `struct inet_diag_req_v2`: family, protocol, extensions, padding, states, and a socket's identity.
const REQUEST: usize = 56;

/// Every TCP socket of this network namespace that listens.
pub(super) fn listening() -> io::Result<Listeners> {
    let protocol = Some(net::netlink::SOCK_DIAG);
    let kernel =
        net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    let mut found = BTreeMap::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        net::send(&kernel, &request(family), SendFlags::empty())?;
        collect(&kernel, &mut found)?;
    }
    Ok(Listeners(found))
}

/// Takes the answers to one request, up to the one that says that it was the last. The kernel writes each when it is read,
/// so that none is waited for.
fn collect(kernel: &OwnedFd, found: &mut BTreeMap<u64, SocketAddr>) -> io::Result<()> {
    let mut answer = vec![0; ANSWER_MAX];
    loop {
        let (len, _) = net::recv(kernel, &mut *answer, RecvFlags::DONTWAIT)?;
        if take_in(&answer[..len], found)? {
            return Ok(());
        }
    }
}

/// Takes one answer, and says whether it was the last; an error where it is none, or there are too many sockets.
fn take_in(answer: &[u8], found: &mut BTreeMap<u64, SocketAddr>) -> io::Result<bool> {
    let mut rest = answer;
    while !rest.is_empty() {
        let (message, others) = split(rest).ok_or(io::ErrorKind::InvalidData)?;
        match message {
            Message { kind: DONE, .. } => return Ok(true),
            Message { kind: ERROR, .. } => return Err(io::ErrorKind::Unsupported.into()),
            Message { body, .. } => found.extend(parse_socket(body)),
        }
        rest = others;
    }
    if found.len() > SOCKETS_MAX {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    Ok(false)
}

fn request(family: AddressFamily) -> [u8; HEADER + REQUEST] {
    let mut request = [0; HEADER + REQUEST];
    let mut put = |at: usize, bytes: &[u8]| request[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &u32::try_from(HEADER + REQUEST).unwrap_or(0).to_ne_bytes());
    put(4, &BY_FAMILY.to_ne_bytes());
    put(6, &ALL_OF_THEM.to_ne_bytes());
    put(HEADER, &[u8::try_from(family.as_raw()).unwrap_or(0), TCP]);
    put(HEADER + 4, &LISTENING.to_ne_bytes());
    request
}

/// One message of an answer.
struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

/// The first message and the others; nothing where it is not whole.
fn split(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let len = usize::try_from(u32::from_ne_bytes(array(bytes, 0)?)).ok()?;
    let kind = u16::from_ne_bytes(array(bytes, 4)?);
    let body = bytes.get(HEADER..len)?;
    // Each begins at a multiple of four.
    Some((Message { kind, body }, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// Reads a `struct inet_diag_msg` into the inode and the local address: family, state, two counters; ports (in network order);
/// local and remote address of 16 bytes each; interface, cookie, expiry, queues, user; inode.
fn parse_socket(body: &[u8]) -> Option<(u64, SocketAddr)> {
    let ip = match AddressFamily::from_raw(u16::from(*body.first()?)) {
        AddressFamily::INET => IpAddr::from(array::<4>(body, 8)?),
        AddressFamily::INET6 => IpAddr::from(array::<16>(body, 8)?).to_canonical(),
        _ => return None,
    };
    let port = u16::from_be_bytes(array(body, 4)?);
    let inode = u32::from_ne_bytes(array(body, 68)?);
    Some((inode.into(), SocketAddr::new(ip, port)))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.18 tells of a socket that listens at port 4097, up to the inode; attributes follow.
    fn socket(family: u8, address: &[u8], inode: u32) -> Vec<u8> {
        let mut body = vec![0; 72];
        body[..2].copy_from_slice(&[family, 10]);
        body[4..6].copy_from_slice(&[0x10, 0x01]);
        body[8..8 + address.len()].copy_from_slice(address);
        body[68..].copy_from_slice(&inode.to_ne_bytes());
        body.extend([5, 0, 8, 0, 0]);
        body
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(HEADER + body.len()).unwrap();
        let header = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10]].concat();
        [&header, body].concat()
    }

    #[test]
    fn a_socket_is_read_with_its_inode_and_address() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let v4 = socket(2, &[127, 0, 0, 1], 5_459_051);
        assert_eq!(parse_socket(&v4), Some((5_459_051, at("127.0.0.1:4097"))));
        let v6 = [&[0; 15][..], &[1]].concat();
        assert_eq!(parse_socket(&socket(10, &v6, 7)), Some((7, at("[::1]:4097"))));
        let mapped = [&[0; 10][..], &[0xff, 0xff, 127, 0, 0, 1]].concat();
        assert_eq!(parse_socket(&socket(10, &mapped, 7)), Some((7, at("127.0.0.1:4097"))));
        assert_eq!(parse_socket(&socket(1, &[], 7)), None, "of a family that was not asked for");
        for end in 0..72 {
            assert_eq!(parse_socket(&v4[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn answers_are_taken_up_to_the_last_and_no_more_sockets_than_fit() {
        let anywhere = "127.0.0.1:1".parse().unwrap();
        let mut found: BTreeMap<u64, SocketAddr> =
            (1..SOCKETS_MAX as u64).map(|inode| (inode, anywhere)).collect();
        let one_more = |inode| {
            let mut bytes = message(BY_FAMILY, &socket(2, &[127, 0, 0, 1], inode));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let (fits, does_not) = (one_more(1_000_000), one_more(1_000_001));
        let last = [&fits[..], &message(DONE, b""), b"beyond"].concat();
        assert!(take_in(&last, &mut found).unwrap());
        assert!(!take_in(&fits, &mut found).unwrap());
        assert_eq!(found.len(), SOCKETS_MAX);
        let kind = |it: io::Result<bool>| it.unwrap_err().kind();
        assert_eq!(kind(take_in(&does_not, &mut found)), io::ErrorKind::OutOfMemory);
        let error = message(ERROR, &[0; 4]);
        assert_eq!(kind(take_in(&error, &mut found)), io::ErrorKind::Unsupported);
        assert_eq!(kind(take_in(&fits[1..], &mut found)), io::ErrorKind::InvalidData);
    }

    #[test]
    fn an_answer_is_taken_apart_at_multiples_of_four() {
        let mut bytes = message(BY_FAMILY, b"hello");
        assert_eq!(bytes.len(), 21);
        bytes.extend([0; 3]);
        bytes.extend(message(DONE, b""));
        let (first, rest) = split(&bytes).unwrap();
        assert_eq!((first.kind, first.body), (BY_FAMILY, &b"hello"[..]));
        let (second, rest) = split(rest).unwrap();
        assert_eq!((second.kind, second.body, rest), (DONE, &b""[..], &b""[..]));
    }

    #[test]
    fn a_message_that_is_not_whole_or_shorter_than_its_header_is_none() {
        let whole = message(BY_FAMILY, b"hello");
        for end in 0..whole.len() {
            assert!(split(&whole[..end]).is_none(), "cut at {end}");
        }
        for len in [0, 15_u32] {
            let hostile = [&len.to_ne_bytes()[..], &whole[4..]].concat();
            assert!(split(&hostile).is_none(), "{len}");
        }
    }
}
