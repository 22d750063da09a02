//! What kernels decode: several columns of several parts in one launch.

use arrow_array::{Array, ArrayRef};
use tsds_codec_gorilla::{GorillaCodec, Kind, ModeChoice};
use tsds_traits::{EncodedBlock, SegmentSource};

use super::launches;
use crate::conformance::bench::words_of;
use crate::conformance::tier::{data, source::Blocks};
use crate::conformance::{Bench, Numbers, Subject, Test, launch};
use crate::encode::{EncodedColumn, encode};
use crate::kernel::{
    BLOCK_ITEMS, BlockEntry, Class, ColumnEntry, Form, GROUP_THREADS, Kernel, NONE, PartEntry,
};
use crate::load::value_bytes;
use crate::meaning::Meaning;
use crate::segment::DeviceColumn;
use crate::tables::blocks_of;

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("decode_decodes_several_columns_of_several_parts", decode),
        ("decode_classic_decodes_codes_of_any_number_of_lanes", decode_classic),
        ("gather_encoded_finds_rows_of_several_columns_and_parts", gather_encoded),
    ]
}

/// Rows of parts, and the lengths of their encoded blocks.
const PARTS: [&[(usize, &[usize])]; 6] = [
    &[(200, &[1, 199])],
    &[(130, &[129]), (700, &[512])],
    &[(2_500, &[2_049]), (31, &[31]), (4_100, &[700, 2_048])],
    &[(600, &[513]), (600, &[600]), (600, &[1, 599])],
    &[(9_000, &[9_000]), (640, &[64])],
    &[(1_030, &[1_030]), (2_048, &[2_048]), (5_000, &[4_999]), (127, &[127])],
];

/// Logarithms of numbers of lanes.
const LANES: [u8; 4] = [0, 3, 4, 5];

struct Part {
    rows: usize,
    /// The rows at which encoded blocks begin, and the last row's end.
    cuts: Vec<usize>,
    columns: Vec<Column>,
}

struct Column {
    name: &'static str,
    entry: ColumnEntry,
    encoded: EncodedColumn,
    /// Words of the values.
    values: Vec<u32>,
}

/// Encoded columns of parts, of which every part has the same ones, in a slab with their tables.
struct Request {
    parts: Vec<Part>,
    slab: Vec<u32>,
    meta: Vec<u32>,
}

fn kind_of(form: Form, class: Class) -> Option<Kind> {
    Some(match (form, class) {
        (Form::Plain64, Class::Float64) => Kind::Float64,
        (Form::Plain64, Class::Signed) => Kind::Int64,
        (Form::Plain64, _) => Kind::UInt64,
        (Form::Plain32, Class::Float32) => Kind::Float32,
        (Form::Plain32, Class::Signed) => Kind::Int32,
        (Form::Plain32, _) => Kind::UInt32,
        _ => return None,
    })
}

/// A column, if it has no nulls and can stay encoded.
fn column(name: &'static str, array: &ArrayRef, blocks: &[EncodedBlock]) -> Option<Column> {
    let id = tsds_traits::ColumnId(1);
    let column = DeviceColumn::new(id, array.data_type(), Meaning::Values).unwrap();
    let kind = kind_of(column.form, column.class).filter(|_| array.null_count() == 0)?;
    let encoded = encode(kind, &blocks.iter().collect::<Vec<_>>(), 0, array).unwrap()?;
    let blocks = encoded.blocks;
    let entry = ColumnEntry {
        form: Form::Encoded,
        class: column.class,
        data: 0,
        validity: NONE,
        blocks,
        decoded: column.form,
    };
    Some(Column { name, entry, encoded, values: words_of(&value_bytes(array).unwrap()) })
}

impl Request {
    /// At most so many columns that are encoded, and as `wanted` says, in every part.
    fn new<S: Subject>(
        bench: &Bench<S>,
        numbers: &mut Numbers,
        shapes: &[(usize, &[usize])],
        choice: ModeChoice,
        wanted: impl Fn(&EncodedColumn) -> bool,
    ) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for (number, (rows, lengths)) in (1..).zip(shapes) {
            let columns = data::columns(*rows, numbers.next());
            let source =
                Blocks::new(number, &columns, lengths).encoded_by(vec![GorillaCodec::with_choice(choice)]);
            let mut own = Vec::new();
            for (column_of, (name, array)) in source.schema.columns().iter().zip(&columns) {
                let blocks = bench.runtime.block_on(source.blocks(column_of.id, 0..*rows as u64));
                own.extend(column(name, array, &blocks.unwrap().unwrap().blocks));
            }
            own.retain(|column| wanted(&column.encoded));
            let cuts = source.cuts().map(|cut| cut.start).chain([*rows]).collect();
            parts.push(Part { rows: *rows, cuts, columns: own });
        }
        let mut names: Vec<&str> = parts[0].columns.iter().map(|column| column.name).collect();
        names.retain(|name| parts.iter().all(|part| part.columns.iter().any(|one| one.name == *name)));
        // Every row of simulated devices takes a while.
        while names.len() > 5 {
            names.swap_remove(numbers.below(names.len() as u64) as usize);
        }
        let mut request = Self { parts, slab: Vec::new(), meta: Vec::new() };
        for part in &mut request.parts {
            part.columns.retain(|column| names.contains(&column.name));
            part.columns.sort_by_key(|column| column.name);
            for column in &mut part.columns {
                request.slab.extend((0..numbers.below(4)).map(|_| 0xdead_beef));
                column.entry.data = request.slab.len() as u32;
                request.slab.extend(&column.encoded.words);
            }
        }
        request.meta.extend((0..numbers.below(7)).map(|_| 0xdead_beef));
        request
    }

    fn slots(&self) -> usize {
        self.parts[0].columns.len()
    }

    /// Writes the tables of blocks, parts and columns; the parameters that say where they are.
    fn finish(&mut self, blocks: &[BlockEntry], parts: &[PartEntry]) -> Vec<(usize, u32)> {
        let columns_at = self.meta.len() as u32;
        let entries =
            self.parts.iter().flat_map(|part| &part.columns).flat_map(|column| column.entry.words());
        self.meta.extend(entries);
        let parts_at = self.meta.len() as u32;
        self.meta.extend(parts.iter().flat_map(|part| part.words()));
        let blocks_at = self.meta.len() as u32;
        self.meta.extend(blocks.iter().flat_map(|block| block.words()));
        vec![(1, blocks_at), (2, parts_at), (3, columns_at), (4, self.slots() as u32)]
    }
}

/// Decodes all columns of a request by blocks of rows, or of places, and looks at all that was written.
fn check<S: Subject>(
    bench: &Bench<S>,
    numbers: &mut Numbers,
    kernel: Kernel,
    mut request: Request,
    blocks: &[BlockEntry],
) {
    // Each column of each part has a place of its own, in any order, with gaps.
    let mut places: Vec<(usize, usize)> = (0..request.slots())
        .flat_map(|slot| (0..request.parts.len()).map(move |part| (slot, part)))
        .collect();
    for i in (1..places.len()).rev() {
        places.swap(i, numbers.below(i as u64 + 1) as usize);
    }
    let mut expected = Vec::new();
    let mut firsts = vec![vec![0; request.parts.len()]; request.slots()];
    for (slot, part) in places {
        expected.extend((0..numbers.below(3)).map(|_| 0x5555_5555));
        firsts[slot][part] = expected.len() as u32;
        expected.extend(&request.parts[part].columns[slot].values);
    }
    let firsts_at: Vec<u32> = firsts
        .iter()
        .map(|firsts| {
            let at = request.meta.len() as u32;
            request.meta.extend(firsts);
            at
        })
        .collect();
    let table = request.meta.len() as u32;
    for (slot, first_at) in (0..).zip(firsts_at) {
        request.meta.extend([slot, first_at]);
    }
    let tables = request.finish(blocks, &[]);
    let (slab, meta) = (bench.upload(&request.slab), bench.upload(&request.meta));
    let out = bench.filled(expected.len(), 0x5555_5555);
    let slots = request.slots() as u32;
    let all = launches(numbers, blocks.len()).into_iter().map(|(first, blocks)| {
        let own = [(0, blocks * slots), (5, first), (6, table), (7, blocks)];
        launch(kernel, &[&slab, &meta, &out], &[tables.clone(), own.to_vec()].concat())
    });
    let found = bench.launch(all.collect(), &[(&out, expected.len())]).remove(0);
    if found == expected {
        return;
    }
    for (slot, firsts) in firsts.iter().enumerate() {
        for (part, first) in request.parts.iter().zip(firsts) {
            let Column { name, values, .. } = &part.columns[slot];
            let first = *first as usize;
            assert_eq!(found[first..first + values.len()], *values, "{name}, of {:?}", part.cuts);
        }
    }
    panic!("something is written where there is no value");
}

fn decode<S: Subject>(bench: &Bench<S>) {
    for (seed, shapes) in (1..).zip(PARTS.into_iter().chain(PARTS)) {
        let mut numbers = Numbers(seed);
        let request =
            Request::new(bench, &mut numbers, shapes, ModeChoice::Shortest, |own| own.classic.is_empty());
        let mut blocks = Vec::new();
        for (number, part) in (0..).zip(&request.parts) {
            assert_eq!(part.rows, *part.cuts.last().unwrap());
            for cut in part.cuts.windows(2) {
                let (start, rows) = (cut[0] as u32, (cut[1] - cut[0]) as u32);
                blocks.extend(blocks_of(number, start, rows, BLOCK_ITEMS));
            }
        }
        assert!(request.slots() > 1, "{seed}: {}", request.slots());
        check(bench, &mut numbers, Kernel::Decode, request, &blocks);
    }
}

/// A request of which every block is in classic codes, of so many lanes at most.
fn classic<S: Subject>(
    bench: &Bench<S>,
    numbers: &mut Numbers,
    shapes: &[(usize, &[usize])],
    lanes_log2: u8,
) -> Request {
    let choice = ModeChoice::Classic { lanes_log2 };
    Request::new(bench, numbers, shapes, choice, |own| own.classic.len() == own.blocks as usize)
}

fn decode_classic<S: Subject>(bench: &Bench<S>) {
    let mut columns = 0;
    for (seed, (shapes, lanes_log2)) in
        (1..).zip(PARTS.into_iter().flat_map(|shapes| LANES.map(|lanes_log2| (shapes, lanes_log2))))
    {
        let mut numbers = Numbers(seed);
        let request = classic(bench, &mut numbers, shapes, lanes_log2);
        let mut blocks = Vec::new();
        for (number, part) in (0..).zip(&request.parts) {
            let Some(column) = part.columns.first() else { continue };
            for classic in &column.encoded.classic {
                let places = blocks_of(number, 0, classic.places, GROUP_THREADS);
                blocks.extend(places.map(|block| BlockEntry {
                    first: classic.first_row,
                    aux: block.first,
                    ..block
                }));
            }
        }
        columns += request.slots();
        if request.slots() > 0 {
            check(bench, &mut numbers, Kernel::DecodeClassic, request, &blocks);
        }
    }
    assert!(columns > 30, "{columns}");
}

fn gather_encoded<S: Subject>(bench: &Bench<S>) {
    for (seed, shapes) in (1..).zip(PARTS) {
        for lanes_log2 in [None, Some(0), Some(4)] {
            let mut numbers = Numbers(seed);
            let request = match lanes_log2 {
                None => Request::new(bench, &mut numbers, shapes, ModeChoice::Shortest, |_| true),
                Some(lanes_log2) => classic(bench, &mut numbers, shapes, lanes_log2),
            };
            if request.slots() > 0 {
                check_gather(bench, &mut numbers, request);
            }
        }
    }
}

/// Looks some rows of all parts up.
fn check_gather<S: Subject>(bench: &Bench<S>, numbers: &mut Numbers, mut request: Request) {
    let (mut list, mut parts, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
    for (number, part) in (0..).zip(&request.parts) {
        let (start, items) = (list.len() as u32, 1 + numbers.below(70) as u32);
        list.extend((0..items).map(|_| numbers.below(part.rows as u64) as u32));
        parts.push(PartEntry { list_start: start, list_items: items, ..PartEntry::default() });
        let own = blocks_of(number, start, items, BLOCK_ITEMS);
        blocks.extend(own.map(|block| BlockEntry { aux: block.first, ..block }));
    }
    let (mut expected, mut table) = (Vec::<u32>::new(), Vec::new());
    for slot in 0..request.slots() {
        table.extend([slot as u32, expected.len() as u32]);
        for (part, entry) in request.parts.iter().zip(&parts) {
            let Column { values, entry: column, .. } = &part.columns[slot];
            let width = if column.decoded == Form::Plain64 { 2 } else { 1 };
            let rows = &list[entry.list_start as usize..][..entry.list_items as usize];
            expected.extend(rows.iter().flat_map(|row| &values[*row as usize * width..][..width]));
        }
    }
    let table_at = request.meta.len() as u32;
    request.meta.extend(&table);
    let tables = request.finish(&blocks, &parts);
    let (slab, meta, list) = (bench.upload(&request.slab), bench.upload(&request.meta), bench.upload(&list));
    let out = bench.filled(expected.len(), 0x5555_5555);
    let slots = request.slots() as u32;
    let all = launches(numbers, blocks.len()).into_iter().map(|(first, blocks)| {
        let own = [(0, blocks * slots), (5, first), (6, table_at), (7, blocks), (8, 0)];
        launch(Kernel::GatherEncoded, &[&slab, &meta, &list, &out], &[tables.clone(), own.to_vec()].concat())
    });
    let found = bench.launch(all.collect(), &[(&out, expected.len())]).remove(0);
    assert_eq!(found, expected);
}
