//! Facts of this host that a listing shows: who has which number, and what the local time is.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use lkdb_image::archive::list::Host;

use super::zone::Zone;

/// This host's users, groups and time zone.
#[derive(Debug)]
pub(crate) struct HostFacts {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
    zone: Zone,
    now: i64,
}

impl HostFacts {
    /// Reads them. What cannot be read is left out: numbers are shown, and UTC.
    pub(crate) fn read() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            users: names("/etc/passwd"),
            groups: names("/etc/group"),
            zone: Zone::local(),
            now: i64::try_from(now).unwrap_or(i64::MAX),
        }
    }
}

impl Host for HostFacts {
    fn user(&self, uid: u32) -> Option<&str> {
        self.users.get(&uid).map(String::as_str)
    }
    fn group(&self, gid: u32) -> Option<&str> {
        self.groups.get(&gid).map(String::as_str)
    }
    fn utc_offset(&self, at: i64) -> i64 {
        self.zone.offset(at)
    }
    fn now(&self) -> i64 {
        self.now
    }
}

/// The names in a file of lines `name:password:number:…`; the first of a number counts.
fn names(path: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    let text = std::fs::read(path).unwrap_or_default();
    for line in String::from_utf8_lossy(&text).lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(number)) = (fields.next(), fields.next(), fields.next())
            && let Ok(number) = number.parse()
        {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}
