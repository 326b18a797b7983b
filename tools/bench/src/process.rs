//! What a process used, as the Linux kernel counts it. Elsewhere nothing is known: `None`.

use std::path::Path;
use std::time::Duration;

/// The unit of CPU times in `/proc`, on every architecture that this runs on.
const TICKS_PER_SECOND: u64 = 100;
/// Processes looked at when searching for the one that listens on a port.
const PROCESSES_MAX: usize = 100_000;

/// A point in the life of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time, all threads.
    pub cpu: Option<Duration>,
    /// Bytes sent towards the disk.
    pub written_bytes: Option<u64>,
}

/// Reads what the process used up to now.
pub(crate) fn usage(pid: u32) -> Usage {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    Usage {
        cpu: read("stat").and_then(|text| parse_cpu(&text)),
        written_bytes: read("io").and_then(|text| parse_field(&text, "write_bytes:")),
    }
}

/// The memory that the process occupies.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(parse_field(&text, "VmRSS:")? * 1024)
}

fn parse_cpu(stat: &str) -> Option<Duration> {
    // The second field is the name in brackets, which may hold anything; the third follows it.
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * 1000 / TICKS_PER_SECOND,
    ))
}

/// The number behind a field's name.
fn parse_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The process of this machine that listens on a TCP port, if this user may see it.
pub(crate) fn listener_on(port: u16) -> Option<u32> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    std::fs::read_dir("/proc")
        .ok()?
        .take(PROCESSES_MAX)
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid: &u32| has_socket(*pid, &inodes))
}

fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTENING: &str = "0A";
    let port = format!(":{port:04X}");
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_ours = fields.get(1)?.ends_with(&port) && *fields.get(3)? == LISTENING;
        fields.get(9).filter(|_| is_ours)?.parse().ok()
    };
    table.lines().skip(1).filter_map(parse).collect()
}

fn has_socket(pid: u32, sockets: &[String]) -> bool {
    let Ok(entries) = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")) else {
        return false;
    };
    entries.filter_map(Result::ok).any(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|target| {
            sockets
                .iter()
                .any(|socket| target.as_os_str() == socket.as_str())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_past_an_odd_name() {
        let stat = "12 (a ) b) S 1 12 12 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 9 0 7 1 2";
        assert_eq!(parse_cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!(parse_cpu("12 (cut"), None);
        assert_eq!(parse_cpu("12 (cut) S 1"), None);
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "VmPeak:\t  10 kB\nVmRSS:\t  1234 kB\n";
        assert_eq!(parse_field(text, "VmRSS:"), Some(1234));
        assert_eq!(parse_field(text, "VmSwap:"), None);
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "head\n\
            0: 0100007F:0BB8 00000000:0000 0A 0:0 00:0 0 0 0 111 1 0\n\
            1: 0100007F:0BB8 0100007F:9999 01 0:0 00:0 0 0 0 222 1 0\n\
            2: 0100007F:0BB9 00000000:0000 0A 0:0 00:0 0 0 0 333 1 0\n";
        assert_eq!(listening_inodes(table, 3000), [111]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_by_its_port_and_uses_memory() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = std::process::id();
        assert_eq!(listener_on(port), Some(own));
        assert!(usage(own).cpu.is_some());
        assert!(resident_bytes(own).is_some_and(|bytes| 100_000 < bytes));
        drop(listener);
    }
}
