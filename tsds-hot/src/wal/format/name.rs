use std::path::{Path, PathBuf};

/// What a file in the log's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// `.wal`: holds records, or is prepared to.
    Log,
    /// `.tmp`: a copy that recovery had not finished.
    Unfinished,
    /// `.old`: on its way to be removed.
    Removed,
    /// `.wal.damaged`: set aside by repair, for people to look at.
    SetAside,
}

/// The name of a file of the log: sixteen lower-case hexadecimal digits and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileName {
    pub(crate) number: u64,
    pub(crate) role: Role,
}

impl FileName {
    pub(crate) fn log(number: u64) -> Self {
        Self { number, role: Role::Log }
    }

    /// Reads a name; `None` if the file is none of ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (digits, extension) = name.split_once('.')?;
        if digits.len() != 16 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let role = match extension {
            "wal" => Role::Log,
            "tmp" => Role::Unfinished,
            "old" => Role::Removed,
            "wal.damaged" => Role::SetAside,
            _ => return None,
        };
        Some(Self { number: u64::from_str_radix(digits, 16).ok()?, role })
    }

    pub(crate) fn text(self) -> String {
        let extension = match self.role {
            Role::Log => "wal",
            Role::Unfinished => "tmp",
            Role::Removed => "old",
            Role::SetAside => "wal.damaged",
        };
        format!("{:016x}.{extension}", self.number)
    }

    pub(crate) fn within(self, directory: &Path) -> PathBuf {
        directory.join(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_foreign_names_are_left_alone() {
        for role in [Role::Log, Role::Unfinished, Role::Removed, Role::SetAside] {
            let name = FileName { number: 0x1f, role };
            assert_eq!(FileName::parse(&name.text()), Some(name));
        }
        for foreign in
            ["", "1.wal", "000000000000001F.wal", "000000000000001f.wal.bak", "+00000000000001f.wal"]
        {
            assert_eq!(FileName::parse(foreign), None, "{foreign}");
        }
    }
}
