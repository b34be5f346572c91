//! scratch
use executor::engine::*;
fn main() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    match a[1].as_str() {
        "import" => {
            let p = std::path::PathBuf::from(&a[2]);
            let src =
                if p.is_dir() { executor::import::hf::open(&p)? } else { executor::import::gguf::open(&p)? };
            let opt = executor::import::lower::Options {
                precision: if a[4] == "w16" {
                    executor::import::weights::Precision::W16
                } else {
                    executor::import::weights::Precision::W8
                },
                kv_bits: a[5].parse()?,
            };
            executor::import::run::import_into(
                &src,
                opt,
                &|m| Ok(Box::new(executor::native::Native::new(&m, 2, None).unwrap())),
                std::path::Path::new(&a[3]),
                &mut |s| println!("{:?} {s}", t.elapsed()),
            )?;
        }
        "gen" => {
            let m = executor::model::Model::open(std::path::Path::new(&a[2]))?;
            let tok = executor::tokenizer::Tokenizer::of_model(
                m.tokenizer_json()?,
                m.add_bos(),
                m.special_tokens(),
            )?;
            println!("open {:?}", t.elapsed());
            let mut e: Box<dyn Engine> = if a[3] == "ref" {
                Box::new(executor::reference::Reference::new(m.clone()))
            } else {
                Box::new(executor::native::Native::new(&m, a[3].parse()?, None)?)
            };
            println!("ready {:?}", t.elapsed());
            let prompt = tok.encode(&a[4], true)?;
            let r = executor::generate::Request {
                prompt,
                sampling: executor::kernels::Sampling::GREEDY,
                max_tokens: a[5].parse()?,
            };
            let g =
                executor::generate::generate(e.as_mut(), &r, &mut |_| std::ops::ControlFlow::Continue(()))?;
            println!("{:?} {}", g.output, tok.decode(&g.output)?);
            println!(
                "prefill {:?} for {}, decode {:?}: {} tok/s",
                g.prefill,
                r.prompt.len(),
                g.decode,
                (g.output.len() - 1) as f64 / g.decode.as_secs_f64()
            );
            let v = std::time::Instant::now();
            println!("{:?} {:?}", executor::generate::verify(e.as_mut(), &r, &g.output)?, v.elapsed());
        }
        "bench" => {
            let m = executor::model::Model::open(std::path::Path::new(&a[2]))?;
            let mut e = executor::native::Native::new(&m, a[3].parse()?, None)?;
            let n: u32 = a[4].parse()?;
            let toks: Vec<u32> = (0..n).map(|i| (i * 7919 + 13) % 49000).collect();
            for _ in 0..3 {
                let s = e.open(executor::kernels::Sampling::GREEDY)?;
                let t = std::time::Instant::now();
                e.step(&[Feed { sequence: s, tokens: &toks, outputs_from: n - 1 }], None)?;
                let p = t.elapsed().as_secs_f64();
                let t = std::time::Instant::now();
                let k = 64;
                for i in 0..k {
                    e.step(&[Feed { sequence: s, tokens: &[(i * 31) as u32], outputs_from: 0 }], None)?;
                }
                println!(
                    "prefill {} tok/s ({:.1} ms), decode {:.1} tok/s",
                    n as f64 / p,
                    p * 1e3,
                    k as f64 / t.elapsed().as_secs_f64()
                );
                e.close(s);
            }
        }
        _ => {}
    }
    println!("{:?}", t.elapsed());
    Ok(())
}
