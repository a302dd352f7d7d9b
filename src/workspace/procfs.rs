//! What `/proc` says about processes. Off Linux it says nothing, and the callers fall back to what signals tell.

use std::fs;

/// One process as `/proc/<pid>/stat` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessStat {
    /// Its id.
    pub pid: i32,
    /// Its process group.
    pub group: i32,
    /// Dead, and only waiting for its parent to notice.
    pub is_zombie: bool,
    /// When it started, in clock ticks since boot: with the boot id and the pid it names a process for good.
    pub started_ticks: u64,
    /// Its time on processors, and that of those that it waited for, in clock ticks.
    pub cpu_ticks: u64,
}

/// Clock ticks in a second, as Linux tells times to programs. Source: `USER_HZ`, `include/asm-generic/param.h`.
const TICKS_PER_SECOND: u64 = 100;

impl ProcessStat {
    /// Its time on processors, and that of those that it waited for.
    pub fn cpu_ms(&self) -> u64 {
        self.cpu_ticks.saturating_mul(1000 / TICKS_PER_SECOND)
    }
}

/// The process `pid`, if there is one.
pub(super) fn stat(pid: i32) -> Option<ProcessStat> {
    parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Source: proc_pid_stat(5). The second field, the name, may contain anything, so fields are counted after its last `)`.
fn parse(pid: i32, line: &[u8]) -> Option<ProcessStat> {
    let after_name = line.iter().rposition(|byte| *byte == b')')? + 1;
    let fields: Vec<&str> = std::str::from_utf8(line.get(after_name..)?).ok()?.split_ascii_whitespace().collect();
    Some(ProcessStat {
        pid,
        is_zombie: matches!(*fields.first()?, "Z" | "X" | "x"),
        group: fields.get(2)?.parse().ok()?,
        started_ticks: fields.get(19)?.parse().ok()?,
        // utime, stime, cutime, cstime.
        cpu_ticks: fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum(),
    })
}

/// All processes that can be seen now.
pub(super) fn all() -> impl Iterator<Item = ProcessStat> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(stat)
}

/// The value of `name` in the environment that `pid` was started with; `None` also when it may not be read.
pub(super) fn environment_value(pid: i32, name: &str) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec))
}

/// The id of this boot; empty where there is none. Pids and start times mean nothing across boots.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_is_passed_over() {
        let line = b"7 (a ) Z (b)) S 1 5 5 0 -1 4194560 1 0 0 0 3 4 20 30 20 0 1 0 4242 1 1 1";
        let expected = ProcessStat { pid: 7, group: 5, is_zombie: false, started_ticks: 4242, cpu_ticks: 57 };
        assert_eq!(parse(7, line), Some(expected));
        assert_eq!(parse(7, b"7 (x"), None);
    }
}
