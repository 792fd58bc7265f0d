//! What this process has cost so far, as Linux tells it; none elsewhere.

/// The kernel counts time in hundredths of a second wherever it shows it to programs (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// CPU time of all threads, user and system, in seconds.
pub(super) fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, and may hold anything; utime and stime are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_S)
}

/// The most memory that was resident at one time, in bytes.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn time_and_memory_are_told_and_only_grow() {
        let (cpu, memory) = (cpu_s().unwrap(), peak_memory_bytes().unwrap());
        let touched = vec![1_u8; 64 << 20];
        assert_eq!(touched.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 64 << 20);
        assert!(memory > 0 && peak_memory_bytes().unwrap() >= memory.max(64 << 20));
        assert!(cpu_s().unwrap() >= cpu);
    }
}
