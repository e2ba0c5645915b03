//! What the kernel counts of threads and processes: processor time, wake-ups, memory.

use std::path::Path;
use std::time::Duration;

/// Processor time that threads of this process with this name have used.
pub fn cpu_of_threads(name: &str) -> Duration {
    let named = |task: &Path| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
    sum(Path::new("/proc/self/task"), named)
}

/// Processor time that a process has used.
pub fn cpu_of(pid: u32) -> Duration {
    sum(Path::new(&format!("/proc/{pid}/task")), |_| true)
}

/// How often the threads of a process went to sleep of their own will: as often as something woke them.
pub fn wake_ups(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| line(&task.path().join("status"), "voluntary_ctxt_switches")).sum()
}

/// KiB that a process has in memory now, and the most that it ever had.
pub fn memory(pid: u32) -> (u64, u64) {
    let status = format!("/proc/{pid}/status");
    let read = |key| line(Path::new(&status), key).unwrap_or(0);
    (read("VmRSS"), read("VmHWM"))
}

fn sum(tasks: &Path, wanted: impl Fn(&Path) -> bool) -> Duration {
    let tasks = std::fs::read_dir(tasks).into_iter().flatten().flatten().map(|task| task.path());
    let nanos = tasks.filter(|task| wanted(task)).filter_map(|task| {
        std::fs::read_to_string(task.join("schedstat")).ok()?.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn line(file: &Path, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}
