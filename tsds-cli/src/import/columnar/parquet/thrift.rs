//! The footer and the page headers of a Parquet file, looked over before a decoder gets them: it allocates what their lengths say,
//! and walks the schema as deep as that says, where running out of memory or stack ends the process.
//!
//! Both are structs of Thrift's compact protocol, <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.
//! What they hold: <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

/// Structs and lists in each other.
const MAX_DEPTH: usize = 32;
/// Columns in each other.
const MAX_SCHEMA_DEPTH: usize = 64;
/// Row groups have numbers of 16 bits.
const MAX_ROW_GROUPS: u64 = i16::MAX as u64;

const STOP: u8 = 0;
const BYTE: u8 = 3;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Why bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// They end too early.
    TooShort,
    /// They are not what they should be.
    Invalid(&'static str),
}

impl Refused {
    /// In words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::TooShort => "a header ends too early",
            Self::Invalid(why) => why,
        }
    }
}

type Result<T> = std::result::Result<T, Refused>;

/// Where a value stands: the ids of the fields down to it, lists left out.
type Path<'a> = &'a [i16];

/// Looks over a footer.
pub(super) fn check_footer(bytes: &[u8]) -> Result<()> {
    /// `FileMetaData.schema`, and `SchemaElement.num_children`.
    const SCHEMA: i16 = 2;
    const CHILDREN: i16 = 5;
    const ROW_GROUPS: i16 = 4;
    let mut children: Vec<i64> = Vec::new();
    let mut seen = |event: Event, path: Path<'_>| {
        match (event, path) {
            (Event::List(len), [ROW_GROUPS]) if len > MAX_ROW_GROUPS => {
                return Err(Refused::Invalid("the footer has more row groups than there can be"));
            }
            (Event::Struct, [SCHEMA]) => children.push(0),
            (Event::Number(count), [SCHEMA, CHILDREN]) => {
                if let Some(last) = children.last_mut() {
                    *last = count;
                }
            }
            _ => {}
        }
        Ok(())
    };
    Reader { bytes, at: 0 }.fields(&mut Vec::new(), &mut seen)?;
    check_schema(&children)
}

/// The numbers of children of the columns, in the order of a walk.
fn check_schema(children: &[i64]) -> Result<()> {
    let mut open: Vec<i64> = Vec::new();
    for count in children {
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if *count < 0 || *count >= children.len() as i64 {
            return Err(Refused::Invalid("the footer has columns of columns that it lacks"));
        }
        if *count > 0 {
            open.push(*count);
        } else {
            while open.last() == Some(&0) {
                open.pop();
            }
        }
        if open.len() > MAX_SCHEMA_DEPTH {
            return Err(Refused::Invalid("the footer has columns too deep in each other"));
        }
    }
    Ok(())
}

/// What of a page's header decides what is allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// How many bytes the page has once it is unpacked.
    pub(super) unpacked: i64,
    /// How many it has in the file.
    pub(super) packed: i64,
    /// How many of them are levels, which are not packed.
    pub(super) levels: i64,
    /// How many values a dictionary has.
    pub(super) dictionary_values: i64,
}

/// Looks over the header of a page, which is at the front of these bytes.
pub(super) fn page_header(bytes: &[u8]) -> Result<PageHeader> {
    let mut header = PageHeader::default();
    let mut seen = |event: Event, path: Path<'_>| {
        if let Event::Number(number) = event {
            match path {
                [2] => header.unpacked = number,
                [3] => header.packed = number,
                [7, 1] => header.dictionary_values = number,
                [8, 5 | 6] => header.levels = header.levels.saturating_add(number),
                _ => {}
            }
        }
        Ok(())
    };
    Reader { bytes, at: 0 }.fields(&mut Vec::new(), &mut seen)?;
    let lengths = [header.unpacked, header.packed, header.levels, header.dictionary_values];
    if lengths.iter().any(|length| *length < 0) {
        return Err(Refused::Invalid("the header of a page has a negative length"));
    }
    Ok(header)
}

/// What is met on the way through a struct.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// An integer, not of a list.
    Number(i64),
    /// A list of so many values.
    List(u64),
    /// A struct that is one value of a list.
    Struct,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.at).copied().ok_or(Refused::TooShort)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, len: u64) -> Result<()> {
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        self.at = end.filter(|end| *end <= self.bytes.len()).ok_or(Refused::TooShort)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut number: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Refused::Invalid("a number is too long"))
    }

    fn zigzag(&mut self) -> Result<i64> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A struct, field by field.
    fn fields(
        &mut self,
        path: &mut Vec<i16>,
        seen: &mut impl FnMut(Event, Path<'_>) -> Result<()>,
    ) -> Result<()> {
        if path.len() > MAX_DEPTH {
            return Err(Refused::Invalid("structs lie too deep in each other"));
        }
        let mut id: i16 = 0;
        loop {
            let header = self.byte()?;
            let kind = header & 0x0f;
            if kind == STOP {
                return Ok(());
            }
            id = match header >> 4 {
                0 => i16::try_from(self.zigzag()?)
                    .map_err(|_| Refused::Invalid("a field has no possible id"))?,
                delta => {
                    id.checked_add(delta.into()).ok_or(Refused::Invalid("a field has no possible id"))?
                }
            };
            path.push(id);
            match kind {
                // A boolean is in the header.
                1 | 2 => {}
                _ => self.value(kind, path, seen)?,
            }
            path.pop();
        }
    }

    fn value(
        &mut self,
        kind: u8,
        path: &mut Vec<i16>,
        seen: &mut impl FnMut(Event, Path<'_>) -> Result<()>,
    ) -> Result<()> {
        match kind {
            BYTE => self.skip(1),
            4..=6 => {
                let number = self.zigzag()?;
                seen(Event::Number(number), path)
            }
            DOUBLE => self.skip(8),
            BINARY => {
                let len = self.varint()?;
                self.skip(len)
            }
            LIST => self.list(path, seen),
            STRUCT => self.fields(path, seen),
            // Sets, maps and the rest, which neither has.
            _ => Err(Refused::Invalid("a field has a type that it cannot have")),
        }
    }

    fn list(
        &mut self,
        path: &mut Vec<i16>,
        seen: &mut impl FnMut(Event, Path<'_>) -> Result<()>,
    ) -> Result<()> {
        let header = self.byte()?;
        let kind = header & 0x0f;
        let len = match header >> 4 {
            15 => self.varint()?,
            len => len.into(),
        };
        if len > self.bytes.len().saturating_sub(self.at) as u64 {
            return Err(Refused::TooShort);
        }
        seen(Event::List(len), path)?;
        for _ in 0..len {
            match kind {
                STRUCT => {
                    let start = self.at;
                    seen(Event::Struct, path)?;
                    self.fields(path, seen)?;
                    // So that what is allocated for the list stays in proportion to what it takes here.
                    if self.at - start < 2 {
                        return Err(Refused::Invalid("a list has values without fields"));
                    }
                }
                BYTE => self.skip(1)?,
                4..=6 => self.varint().map(|_| ())?,
                DOUBLE => self.skip(8)?,
                BINARY => {
                    let len = self.varint()?;
                    self.skip(len)?;
                }
                _ => return Err(Refused::Invalid("a list has values that it cannot have")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer whose schema has columns with so many children.
    fn footer(children: &[u8]) -> Vec<u8> {
        // Field 1, version 1; field 2, a list of structs, whose length follows.
        let mut bytes = vec![0x15, 2, 0x19, 0xfc];
        let mut len = children.len();
        while len > 0x7f {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        for count in children {
            // Field 4, the name; field 5, the number of children.
            bytes.extend_from_slice(&[0x48, 1, b'a', 0x15, count * 2, 0]);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_schema_may_be_wide_but_not_deep() {
        assert_eq!(check_footer(&footer(&[3, 0, 1, 0, 0])), Ok(()));
        let mut wide = vec![60];
        wide.extend([0; 60]);
        assert_eq!(check_footer(&footer(&wide)), Ok(()));
        let mut deep = vec![1; 100_000];
        deep.push(0);
        assert_eq!(
            check_footer(&footer(&deep)),
            Err(Refused::Invalid("the footer has columns too deep in each other"))
        );
        assert_eq!(
            check_footer(&footer(&[9, 0])),
            Err(Refused::Invalid("the footer has columns of columns that it lacks"))
        );
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        for bytes in [
            // A list, a binary value, and nothing where a field should end.
            &[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07][..],
            &[0x18, 0xff, 0xff, 0xff, 0xff, 0x7f, 0],
            &[0x15],
            &[],
        ] {
            assert_eq!(check_footer(bytes), Err(Refused::TooShort), "{bytes:?}");
        }
        let mut groups = vec![0x49, 0xfc, 0x80, 0x80, 0x04];
        groups.resize(70_000, 0x15);
        let many = Refused::Invalid("the footer has more row groups than there can be");
        assert_eq!(check_footer(&groups), Err(many));
    }

    #[test]
    fn structs_in_structs_end_somewhere() {
        assert_eq!(check_footer(&[0x1c; 1_000]), Err(Refused::Invalid("structs lie too deep in each other")));
        assert_eq!(
            check_footer(&[0x19; 1_000]),
            Err(Refused::Invalid("a list has values that it cannot have"))
        );
    }

    #[test]
    fn the_header_of_a_page_is_read() {
        // type, sizes 7 and 5, and a dictionary of 3 values
        let dictionary = [0x15, 4, 0x15, 14, 0x15, 10, 0x4c, 0x15, 6, 0x15, 0, 0, 0, 99];
        let expected = PageHeader { unpacked: 7, packed: 5, levels: 0, dictionary_values: 3 };
        assert_eq!(page_header(&dictionary), Ok(expected));
        assert_eq!(
            page_header(&[0x15, 4, 0x15, 13, 0]),
            Err(Refused::Invalid("the header of a page has a negative length"))
        );
    }
}
