//! Which TCP sockets listen, and where: asked of the kernel, or read from its tables.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::linux::read_bounded;
use super::{PROC, sock_diag};

/// Most bytes read of the table of sockets: a line is 150 bytes, so this is 100,000 sockets.
const SOCKETS_MAX: u64 = 16 << 20;

/// Where TCP sockets listen, by the inode that `/proc/<pid>/fd` shows as `socket:[114605]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners(pub(super) BTreeMap<u64, SocketAddr>);

impl Listeners {
    /// Where the holder of these files listens.
    pub fn of(&self, open: &[(u32, PathBuf)]) -> Vec<SocketAddr> {
        let socket = |path: &Path| {
            let name = path.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            self.0.get(&name.parse().ok()?).copied()
        };
        open.iter().filter_map(|(_, path)| socket(path)).collect()
    }
}

/// All of the machine, or of a recorded table.
pub(super) fn of(root: &Path) -> Listeners {
    let is_recorded = root != Path::new(PROC);
    let asked = if is_recorded { None } else { sock_diag::listening().ok() };
    asked.unwrap_or_else(|| in_tables(root))
}

/// As the tables in `/proc/net` show them. Slow: they show connections too, and the kernel looks for those in a space that
/// grows with the machine's memory (3.4 ms a table where it has 262,144 places).
fn in_tables(root: &Path) -> Listeners {
    let mut found = BTreeMap::new();
    let mut text = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        if read_bounded(&root.join(table), SOCKETS_MAX, &mut text).is_ok() {
            found.extend(text.split(|it| *it == b'\n').filter_map(parse_listener));
        }
    }
    Listeners(found)
}

/// Reads `0: 0100007F:1000 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 114605 …` into the inode and
/// the local address of a socket that listens; addresses are in words of the machine's own byte order.
fn parse_listener(line: &[u8]) -> Option<(u64, SocketAddr)> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = str::from_utf8(line).ok()?.split_ascii_whitespace().collect();
    let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = words[..] else { return None };
    let (address, port) = local.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok();
    let ip = match address.len() {
        8 => IpAddr::from(word(0)?.to_ne_bytes()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].map(u32::to_ne_bytes);
            let ip = Ipv6Addr::from(<[u8; 16]>::try_from(words.as_flattened()).ok()?);
            ip.to_canonical()
        }
        _ => return None,
    };
    Some((inode.parse().ok()?, SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_listen_are_found_by_their_inode() {
        let listener = |line: &str| parse_listener(line.as_bytes());
        let v4 = "   0: 0100007F:1000 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 114605 1 0000000000000000 100 0 0 10 0";
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(listener(v4), Some((114_605, at("127.0.0.1:4096"))));
        let v6 = v4.replace(
            "0100007F:1000 00000000:0000",
            "00000000000000000000000001000000:1000 00000000000000000000000000000000:0000",
        );
        assert_eq!(listener(&v6), Some((114_605, at("[::1]:4096"))));
        let mapped =
            v6.replace("00000000000000000000000001000000", "0000000000000000FFFF00000100007F");
        assert_eq!(listener(&mapped), Some((114_605, at("127.0.0.1:4096"))));
        assert_eq!(listener(&v4.replace(" 0A ", " 01 ")), None, "a connection does not listen");
        for end in 0..v4.find("114605").unwrap() {
            assert_eq!(listener(&v4[..end]), None);
        }
        let listeners = Listeners([(114_605, at("127.0.0.1:4096"))].into());
        let open = ["/dev/null", "socket:[114605]", "socket:[1]", "pipe:[114605]"];
        let open = open.map(|it| (3, PathBuf::from(it)));
        assert_eq!(listeners.of(&open), [at("127.0.0.1:4096")]);
    }

    #[test]
    fn the_kernel_says_what_its_tables_show() {
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let table = super::super::ProcessTable::snapshot(Path::new(PROC)).unwrap();
        let own = table.open_files(super::super::this_process().unwrap());
        for listeners in [sock_diag::listening().unwrap(), in_tables(Path::new(PROC))] {
            assert!(listeners.of(&own).contains(&open.local_addr().unwrap()), "{listeners:?}");
        }
    }
}
