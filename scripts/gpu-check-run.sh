#!/bin/sh
# Checks the CUDA tier on the device of this machine, and writes report.txt and report.json. Ends with 0 if all is well, 1 if something
# failed, 2 if there is no device. `scripts/gpu-check` packs it with the binaries that it runs.
#
# TSDS_GPU_CHECK_SECONDS   how long random queries are compared: 120
# TSDS_GPU_CHECK_ROWS      how many rows the benchmark holds: 10k,100k,1M,10M,64M
# TSDS_GPU_CHECK_TIMED     how many rows single kernels are timed over: 64M, which takes 5 GB of the device and, for CuPy, 2 GB of disk
# TSDS_GPU_CHECK_PYTHON    the Python that has CuPy: python3
# TSDS_GPU_CHECK_WITH      what the timings are compared with: cupy, or numpy to see whether that part works
# TSDS_GPU_CHECK_ONLY      only these parts, separated by blanks: device kernels promises tier engine conformance against sanitizer timings cupy
#                          bench. The part cupy compares what timings measured
# TSDS_GPU_CHECK_ANYWAY    set: look for a driver also where no device file is
# TSDS_CUDA_DEVICE         which device, if there are several

cd "$(dirname "$0")" || exit 1
seconds=${TSDS_GPU_CHECK_SECONDS:-120}
rows=${TSDS_GPU_CHECK_ROWS:-10k,100k,1M,10M,64M}
only=${TSDS_GPU_CHECK_ONLY:-device kernels promises tier engine conformance against sanitizer timings cupy bench}
python=${TSDS_GPU_CHECK_PYTHON:-python3}
library=${TSDS_GPU_CHECK_WITH:-cupy}
# The id of what must be there: otherwise its absence would be passed over.
export TSDS_REQUIRE=tsds.warm.cuda
export RUST_BACKTRACE=0

bin=$PWD/work/bin
columns=$PWD/work/columns
timings=$PWD/work/timings.json

device() {
    date -u
    uname -srm
    if command -v nvidia-smi > /dev/null; then
        nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap,pci.bus_id --format=csv
        nvidia-smi --query-gpu=clocks.max.mem,clocks.max.sm,ecc.mode.current,pcie.link.gen.max,pcie.link.width.max --format=csv
    fi
}

# The tools of compute-sanitizer on the trials of kernels; slow ones on few of them.
sanitizer() {
    tool=$1
    shift
    command -v compute-sanitizer > /dev/null || { echo "compute-sanitizer is not installed"; return 77; }
    compute-sanitizer --tool "$tool" --error-exitcode 9 --print-limit 20 "$bin/kernels" --test-threads 1 "$@"
}

# Single kernels, with the rows for whoever is compared with them, if anybody is.
timings() {
    case " $only " in *" cupy "*) "$python" -c "import $library" 2> /dev/null && export TSDS_TIMING_COLUMNS="$columns" ;; esac
    TSDS_TIMING_ROWS=${TSDS_GPU_CHECK_TIMED:-64M} TSDS_TIMING_JSON="$timings" "$bin/timings"
}

# CuPy on the same rows.
cupy() {
    "$python" -c "import $library" 2> /dev/null || { echo "$library is not installed: pip install cupy-cuda12x"; return 77; }
    [ -e "$timings" ] || { echo "the timings have not run: let TSDS_GPU_CHECK_ONLY name them too"; return 77; }
    "$python" gpu-check-cupy.py "$columns" "$timings" --with "$library" --json work/cupy.json
}

# One part alone, as `timeout` runs it: it takes programs, not functions.
if [ "$1" = --part ]; then
    shift
    "$@"
    exit $?
fi

rm -rf work report.txt report.json
mkdir -p work/logs work/bin
for packed in bin/*.xz; do
    [ -e "$packed" ] || continue
    xz -dc "$packed" > "work/bin/$(basename "$packed" .xz)" || { echo "xz is needed to unpack the binaries" >&2; exit 1; }
done
for plain in bin/*; do
    case $plain in *.xz) ;; *) cp "$plain" work/bin/ ;; esac
done
chmod +x work/bin/*

json_text() {
    # A string of JSON of what comes in: printable characters alone.
    printf '"'
    tr -cd '\11\12\15\40-\176' | sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/ /g' | awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }'
    printf '"'
}

parts=
failed=0
# part NAME LIMIT_SECONDS COMMAND...: runs it, unless it was not asked for.
part() {
    name=$1
    limit=$2
    shift 2
    case " $only " in *" ${name%%-*} "*) ;; *) return ;; esac
    log=work/logs/$name.log
    printf '%s ... ' "$name" >&2
    begun=$(date +%s)
    if command -v timeout > /dev/null; then
        timeout "$limit" "$@" > "$log" 2>&1
    else
        "$@" > "$log" 2>&1
    fi
    code=$?
    took=$(($(date +%s) - begun))
    case $code in
    0) outcome=passed ;;
    77) outcome=absent ;;
    124) outcome="failed: more than $limit s" && failed=1 ;;
    *) outcome="failed: $code" && failed=1 ;;
    esac
    # Trials that did not run prove nothing.
    summary=$(grep -E '^test result:|^[0-9]+ passed|cases' "$log" | tail -n 1)
    case $summary in *" 0 passed;"*) [ "$outcome" = passed ] && outcome="failed: nothing ran" && failed=1 ;; esac
    echo "$outcome, $took s" >&2
    {
        printf '%s\n' "== $name: $outcome, $took s"
        case $name in
        device | timings | cupy | bench) cat "$log" ;;
        *) if [ "${outcome%%:*}" = failed ]; then tail -n 60 "$log"; else printf '%s\n' "$summary"; fi ;;
        esac
        echo
    } >> work/report.txt
    {
        [ -n "$parts" ] && printf ',\n'
        printf '    {"name": "%s", "outcome": "%s", "exit": %d, "seconds": %d, "output": ' "$name" "$outcome" "$code" "$took"
        tail -n 400 "$log" | json_text
        printf '}'
    } >> work/parts.json
    parts=1
}

if ! { [ -e /dev/nvidiactl ] || [ -e /dev/dxg ] || [ -n "$TSDS_GPU_CHECK_ANYWAY" ]; }; then
    echo "no NVIDIA device on this machine" >&2
    printf '{"revision": %s, "outcome": "absent", "parts": []}\n' "$(json_text < revision)" > report.json
    echo "no NVIDIA device on this machine" > report.txt
    exit 2
fi

part device 300 sh run.sh --part device
part kernels 900 "$bin/kernels" --test-threads 1
part promises 900 "$bin/device" --test-threads 1
part tier 900 "$bin/tier" --test-threads 1
part engine 900 "$bin/engine" --test-threads 1
part conformance 1800 "$bin/tsds" conformance --backend tsds.warm.cuda --require tsds.warm.cuda
part against $((seconds + 300)) "$bin/tsds" conformance --backend tsds.warm.cuda --against tsds.warm.cpu --require tsds.warm.cuda \
    --cases 1000000 --seconds "$seconds"
part sanitizer-memcheck 1800 sh run.sh --part sanitizer memcheck
part sanitizer-racecheck 1800 sh run.sh --part sanitizer racecheck selection
part sanitizer-synccheck 1800 sh run.sh --part sanitizer synccheck
part sanitizer-initcheck 1800 sh run.sh --part sanitizer initcheck gather
part timings 1200 sh run.sh --part timings
part cupy 900 sh run.sh --part cupy
rm -rf "$columns"
part bench 1800 "$bin/tsds" bench device --backend tsds.warm.cuda --rows "$rows"

outcome=passed
[ "$failed" = 0 ] || outcome=failed
{
    printf 'TSDS %s: the CUDA tier on this machine %s\n\n' "$(cat revision)" "$outcome"
    cat work/report.txt
} > report.txt
{
    printf '{\n  "revision": %s,\n  "outcome": "%s",\n  "parts": [\n' "$(json_text < revision)" "$outcome"
    cat work/parts.json
    printf '\n  ]\n}\n'
} > report.json
cat report.txt
exit "$failed"
