//! How long the scenes take: `cargo bench --bench micro`, or with `-- lane` those whose name has that in it.
//!
//! For comparing two versions on a quiet machine; what has to hold is in `instructions.rs`.

mod scenes;

use std::cell::RefCell;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let seconds = Duration::from_secs;
    let mut criterion = Criterion::default()
        .warm_up_time(seconds(1))
        .measurement_time(seconds(2))
        .sample_size(20)
        .configure_from_args();
    for entry in scenes::ALL {
        let mut group = criterion.benchmark_group("scenes");
        let scene = RefCell::new((entry.open)());
        let units = {
            let mut scene = scene.borrow_mut();
            scene.prepare();
            scene.perform()
        };
        group.throughput(Throughput::Elements(units));
        group.bench_function(BenchmarkId::new(entry.name, entry.unit), |bencher| {
            bencher.iter_batched(
                || scene.borrow_mut().prepare(),
                |()| scene.borrow_mut().perform(),
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
    criterion.final_summary();
}
