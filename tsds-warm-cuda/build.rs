//! Builds nothing, but with the feature `simulator`: then the stand-in for the NVIDIA driver of `sim/`, from its sources and those of the
//! kernels, with the C++ compiler that `CXX` names, or `c++`, `g++` or `clang++`. Where there is none, or the sources are not
//! there since the crate comes from a registry, the crate is told so instead.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build script is no part of the engine"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{env, fs, thread};

/// What kernels and the simulator are both compiled with.
const COMMON: [&str; 8] =
    ["-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra"];

/// What makes kernels tell the simulator of every access to memory and of everything that C++ does not define.
const KERNELS: [&str; 7] = [
    "-fno-threadsafe-statics",
    "-ffp-contract=off",
    "-Wno-unknown-pragmas",
    "-Wno-unused-function",
    "-Wno-unused-const-variable",
    "-fsanitize=thread",
    "-fsanitize=shift,integer-divide-by-zero,signed-integer-overflow,bounds,alignment,null,unreachable,return,\
     float-cast-overflow,builtin",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_SIMULATOR").is_none() {
        return;
    }
    for watched in ["sim", "src/kernels"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    println!("cargo:rerun-if-env-changed=CXX");
    match absence() {
        Some(reason) => println!("cargo:rustc-env=TSDS_CUDA_SIMULATOR_ABSENT={reason}"),
        None => match build() {
            Ok(library) => println!("cargo:rustc-env=TSDS_CUDA_SIMULATOR_BUILT={}", library.display()),
            Err(reason) => {
                eprintln!("cannot build the CUDA simulator: {reason}");
                std::process::exit(1);
            }
        },
    }
}

fn absence() -> Option<String> {
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let processor = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if os != "linux" || !["x86_64", "aarch64"].contains(&processor.as_str()) {
        return Some(format!("the CUDA simulator does not run on {os} on {processor}"));
    }
    if !Path::new("sim/src").is_dir() {
        return Some("the CUDA simulator is not part of a published crate".to_owned());
    }
    compiler().is_none().then(|| "the CUDA simulator needs a C++ compiler".to_owned())
}

fn compiler() -> Option<String> {
    let named = env::var("CXX").ok();
    let usual = ["c++", "g++", "clang++"].map(str::to_owned);
    named.into_iter().chain(usual).find(|name| Command::new(name).arg("--version").output().is_ok())
}

/// A call of the compiler that makes a file.
struct Step {
    arguments: Vec<String>,
}

fn build() -> Result<PathBuf, String> {
    let compiler = compiler().ok_or("no compiler")?;
    let out = PathBuf::from(env::var("OUT_DIR").map_err(|error| error.to_string())?).join("simulator");
    fs::create_dir_all(&out).map_err(|error| error.to_string())?;
    let here = env::current_dir().map_err(|error| error.to_string())?;
    let mut steps = Vec::new();
    let mut objects = Vec::new();
    let mut add = |source: &Path, extra: &[String]| {
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        let object = text(&out.join(format!("{name}.o")));
        let mut arguments: Vec<String> = COMMON.map(str::to_owned).to_vec();
        arguments.extend_from_slice(extra);
        arguments.extend(["-c".to_owned(), text(source), "-o".to_owned(), object.clone()]);
        objects.push(object);
        steps.push(Step { arguments });
    };

    let headers =
        [format!("-I{}", text(&here.join("sim/src"))), format!("-I{}", text(&here.join("sim/include")))];
    for source in files(&here.join("sim/src"), "cpp")? {
        add(&source, &headers);
    }
    for folder in ["src/kernels", "sim/tests"] {
        let folder = here.join(folder);
        for kernel in files(&folder, "cu")? {
            let wrapper = wrap(&kernel, &out)?;
            let mut extra: Vec<String> = KERNELS.map(str::to_owned).to_vec();
            extra.extend(headers.iter().cloned());
            extra.push(format!("-I{}", text(&here.join("src/kernels"))));
            add(&wrapper, &extra);
        }
    }

    let library = out.join("libtsds_cuda_sim.so");
    // The name by which it is asked for once it is loaded. A file of that name could hide a real driver.
    let mut link = ["-shared", "-Wl,-soname,libcuda.so", "-Wl,--exclude-libs,ALL", "-Wl,--no-undefined"]
        .into_iter()
        .chain(["-static-libstdc++", "-static-libgcc", "-o"])
        .map(str::to_owned)
        .collect::<Vec<_>>();
    link.push(text(&library));
    link.extend(objects);
    link.push("-lpthread".to_owned());

    // For tools that build it again with a kernel changed: a call a line, its words apart by tabs.
    let calls: Vec<_> = steps
        .iter()
        .map(|step| &step.arguments)
        .chain([&link])
        .map(|call| format!("{compiler}\t{}", call.join("\t")))
        .collect();
    fs::write(out.join("calls"), calls.join("\n")).map_err(|error| error.to_string())?;

    run_all(&compiler, steps)?;
    run(&compiler, &link)?;
    Ok(library)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == ending));
    files.sort();
    Ok(files)
}

/// Writes the file that compiles a kernel's file as C++ and makes its entries known.
fn wrap(kernel: &Path, out: &Path) -> Result<PathBuf, String> {
    let source = fs::read_to_string(kernel).map_err(|error| format!("{}: {error}", kernel.display()))?;
    let name = kernel.file_stem().unwrap_or_default().to_string_lossy();
    let mut wrapper = format!(
        "#include \"register.h\"\n#include \"kernel.h\"\nnamespace {{\n#include \"{}\"\n",
        text(kernel)
    );
    for (entry, bound) in
        entries(&source).ok_or_else(|| format!("{}: an entry without bounds", kernel.display()))?
    {
        wrapper.push_str(&format!(
            "[[maybe_unused]] const int {entry}_added = \
             tsds_sim::add(tsds_sim::Known<decltype(&{entry}), &{entry}>::entry(\"{entry}\", ({bound})));\n"
        ));
    }
    wrapper.push_str("}\n");
    let path = out.join(format!("kernel_{name}.cpp"));
    fs::write(&path, wrapper).map_err(|error| error.to_string())?;
    Ok(path)
}

/// The names of the entries in a source, with their bounds: `__global__ void __launch_bounds__(bound) name(`. How many blocks a multiprocessor is
/// to hold, after a comma, says nothing to the simulator.
fn entries(source: &str) -> Option<Vec<(String, String)>> {
    let lines: Vec<_> = source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let source = lines.join("\n");
    let mut found = Vec::new();
    for after in source.split("__global__").skip(1) {
        let (_, bounds) = after.split_once("__launch_bounds__(")?;
        let (bound, rest) = bounds.split_once(')')?;
        let (name, _) = rest.split_once('(')?;
        let threads = bound.split(',').next()?;
        found.push((name.trim().to_owned(), threads.trim().to_owned()));
    }
    Some(found)
}

/// Runs steps, as many at a time as cargo says.
fn run_all(compiler: &str, steps: Vec<Step>) -> Result<(), String> {
    let jobs = env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1_usize).max(1);
    let waiting = Mutex::new(steps);
    let take = || waiting.lock().ok().and_then(|mut steps| steps.pop());
    let failures = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(step) = take() {
                        run(compiler, &step.arguments)?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Err("a worker failed".to_owned())))
            .collect::<Vec<_>>()
    });
    failures.into_iter().collect()
}

fn run(compiler: &str, arguments: &[String]) -> Result<(), String> {
    let output = Command::new(compiler).args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{compiler} {}\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
}
