//! The kernels' sources: each is its own file after the preludes that it needs.

use tsds_device::kernel::Kernel;

const PARAMS: &str = include_str!("kernels/params.wgsl");
const TABLES: &str = include_str!("kernels/tables.wgsl");
const WIDE: &str = include_str!("kernels/wide.wgsl");
const COLUMN: &str = include_str!("kernels/column.wgsl");
const CLASSIC: &str = include_str!("kernels/classic.wgsl");
const ENCODED: &str = include_str!("kernels/encoded.wgsl");
const PROGRAM: &str = include_str!("kernels/program.wgsl");
const FOLD: &str = include_str!("kernels/fold.wgsl");
const ROWS: &str = include_str!("kernels/rows.wgsl");
const BITMAP: &str = include_str!("kernels/bitmap.wgsl");
const COUNT: &str = include_str!("kernels/count.wgsl");
const PREFIX: &str = include_str!("kernels/prefix.wgsl");

/// The whole WGSL of a kernel.
pub(crate) fn source(kernel: Kernel) -> String {
    let (preludes, own): (&[&str], &str) = match kernel {
        Kernel::Health => (&[WIDE], include_str!("kernels/health.wgsl")),
        Kernel::Mask => (&[TABLES, WIDE, COLUMN, BITMAP, COUNT, PROGRAM], include_str!("kernels/mask.wgsl")),
        Kernel::MaskEncoded => {
            (&[TABLES, WIDE, COLUMN, ENCODED, COUNT, PROGRAM], include_str!("kernels/mask_encoded.wgsl"))
        }
        Kernel::Decode => (&[TABLES, WIDE, COLUMN, ENCODED], include_str!("kernels/decode.wgsl")),
        Kernel::DecodeClassic => {
            (&[TABLES, WIDE, COLUMN, ENCODED, CLASSIC], include_str!("kernels/decode_classic.wgsl"))
        }
        Kernel::Compact => (&[TABLES, PREFIX], include_str!("kernels/compact.wgsl")),
        Kernel::Gather64 => (&[TABLES, COLUMN, ROWS], include_str!("kernels/gather_64.wgsl")),
        Kernel::Gather32 => (&[TABLES, COLUMN, ROWS], include_str!("kernels/gather_32.wgsl")),
        Kernel::GatherEncoded => {
            (&[TABLES, WIDE, COLUMN, ENCODED, CLASSIC, ROWS], include_str!("kernels/gather_encoded.wgsl"))
        }
        Kernel::GatherSmall => (&[TABLES, COLUMN, ROWS], include_str!("kernels/gather_small.wgsl")),
        Kernel::GatherBits => (&[TABLES, COLUMN, ROWS, BITMAP], include_str!("kernels/gather_bits.wgsl")),
        Kernel::Keys => (&[TABLES, COLUMN, ROWS], include_str!("kernels/keys.wgsl")),
        Kernel::Histogram => (&[TABLES, WIDE], include_str!("kernels/histogram.wgsl")),
        Kernel::Scan => (&[PREFIX], include_str!("kernels/scan.wgsl")),
        Kernel::ScanAdd => (&[], include_str!("kernels/scan_add.wgsl")),
        Kernel::Scatter => (&[TABLES, WIDE], include_str!("kernels/scatter.wgsl")),
        Kernel::SelectHistogram => (&[TABLES, WIDE], include_str!("kernels/select_histogram.wgsl")),
        Kernel::SelectPick => (&[TABLES, WIDE, PREFIX], include_str!("kernels/select_pick.wgsl")),
        Kernel::SelectMark => (&[TABLES, WIDE, BITMAP, COUNT], include_str!("kernels/select_mark.wgsl")),
        Kernel::Buckets => (&[TABLES, WIDE, COLUMN, ROWS], include_str!("kernels/buckets.wgsl")),
        Kernel::Runs => (&[TABLES, COLUMN, ROWS, BITMAP, COUNT], include_str!("kernels/runs.wgsl")),
        Kernel::Reduce => (&[TABLES, WIDE, COLUMN, ROWS, FOLD], include_str!("kernels/reduce.wgsl")),
        Kernel::RunsEncoded => {
            (&[TABLES, WIDE, COLUMN, ENCODED, COUNT], include_str!("kernels/runs_encoded.wgsl"))
        }
        Kernel::ReduceEncoded => {
            (&[TABLES, WIDE, COLUMN, ENCODED, PREFIX, FOLD], include_str!("kernels/reduce_encoded.wgsl"))
        }
    };
    let mut source = String::from(PARAMS);
    for text in preludes.iter().chain([&own]) {
        source.push('\n');
        source.push_str(text);
    }
    source
}
