fn main() -> anyhow::Result<()> {
    let p = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let src = if p.is_dir() { executor::import::hf::open(&p)? } else { executor::import::gguf::open(&p)? };
    println!("{src:?}");
    let opt = executor::import::lower::Options { precision: executor::import::weights::Precision::W8, kv_bits: 16 };
    let t = std::time::Instant::now();
    executor::import::run::import_into(&src, opt, &|m| Ok(Box::new(executor::reference::Reference::new(m))), std::path::Path::new(&std::env::args().nth(2).unwrap()), &mut |s| println!("{:?} {s}", t.elapsed()))?;
    println!("{:?}", t.elapsed());
    Ok(())
}
