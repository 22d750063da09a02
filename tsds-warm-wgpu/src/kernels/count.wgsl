// The sum of a number of every thread, known to thread 0.

var<workgroup> counted: atomic<u32>;

fn count(number: u32) -> u32 {
    atomicAdd(&counted, number);
    workgroupBarrier();
    return atomicLoad(&counted);
}
