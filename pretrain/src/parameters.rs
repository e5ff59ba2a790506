//! The trainable tensors of a model by name, and how they are stored.

use crate::error::{Error, Result};
use crate::nn::slices;
use crate::random::Key;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use safetensors::tensor::Metadata;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic::AtomicFile;

/// Parameters in name order; the names are those of Hugging Face's checkpoints.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    vars: BTreeMap<String, Var>,
    embeddings: BTreeSet<String>,
}

impl Parameters {
    /// None yet.
    pub fn new() -> Parameters {
        Parameters::default()
    }

    /// Adds (or replaces) a parameter with the values of `tensor`.
    pub fn insert(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.vars.insert(name.to_owned(), Var::from_tensor(&tensor.detach().copy()?)?);
        Ok(())
    }

    /// Adds a normal parameter of mean 0; the values depend on (key, name) alone.
    pub fn normal(&mut self, name: &str, shape: &[usize], deviation: f64, key: Key, device: &Device) -> Result<()> {
        let values = key.named(name).normals(shape.iter().product(), deviation);
        self.insert(name, &Tensor::from_vec(values, shape, device)?)
    }

    /// Adds a parameter uniform within ±`bound`; the values depend on (key, name) alone.
    pub fn uniform(&mut self, name: &str, shape: &[usize], bound: f64, key: Key, device: &Device) -> Result<()> {
        let (key, count) = (key.named(name), shape.iter().product::<usize>());
        let values = (0..count as u64).map(|index| ((2.0 * key.uniform(index) - 1.0) * bound) as f32).collect();
        self.insert(name, &Tensor::from_vec::<_, f32>(values, shape, device)?)
    }

    /// Adds a parameter of ones.
    pub fn ones(&mut self, name: &str, shape: &[usize], device: &Device) -> Result<()> {
        self.insert(name, &Tensor::ones(shape, DType::F32, device)?)
    }

    /// Adds a parameter of zeros.
    pub fn zeros(&mut self, name: &str, shape: &[usize], device: &Device) -> Result<()> {
        self.insert(name, &Tensor::zeros(shape, DType::F32, device)?)
    }

    /// Says that the rows of this parameter are looked up, for tokens or for positions.
    pub fn mark_embedding(&mut self, name: &str) {
        self.embeddings.insert(name.to_owned());
    }

    /// Whether this is a matrix that maps states to states: not a norm, not a bias, not an embedding.
    pub fn is_map(&self, name: &str) -> bool {
        !self.embeddings.contains(name) && self.vars.get(name).is_some_and(|var| var.rank() >= 2)
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Result<&Var> {
        self.vars.get(name).ok_or_else(|| Error::Mismatch {
            place: name.to_owned(),
            found: "no parameter of this name".to_owned(),
            expected: format!("one of {}", self.vars.keys().cloned().collect::<Vec<_>>().join(", ")),
        })
    }

    /// All, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// How many tensors.
    pub fn len(&self) -> usize {
        self.vars.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.vars.is_empty()
    }

    /// How many numbers in all.
    pub fn count(&self) -> usize {
        self.vars.values().map(|var| var.elem_count()).sum()
    }

    /// The same values without a graph, sharing storage: what evaluation runs on, in place of a `no_grad`.
    pub fn detached(&self) -> BTreeMap<String, Tensor> {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// The values as tensors that lead back to the parameters: what training runs on.
    pub fn attached(&self) -> BTreeMap<String, Tensor> {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect()
    }

    /// Copies that share nothing with these.
    pub fn copy(&self) -> Result<Parameters> {
        let mut other = Parameters { embeddings: self.embeddings.clone(), ..Parameters::new() };
        for (name, var) in self.iter() {
            other.insert(name, var)?;
        }
        Ok(other)
    }

    /// Copies in another type, for gradient checks in f64.
    pub fn to_dtype(&self, dtype: DType) -> Result<Parameters> {
        let mut other = Parameters { embeddings: self.embeddings.clone(), ..Parameters::new() };
        for (name, var) in self.iter() {
            other.insert(name, &var.to_dtype(dtype)?)?;
        }
        Ok(other)
    }

    /// Refuses when a parameter got no gradient, one of only zeros, or one that is not finite; names all of them.
    pub fn check_gradients(&self, gradients: &GradStore) -> Result<()> {
        let mut without = Vec::new();
        for (name, var) in self.iter() {
            let size = match gradients.get(var) {
                Some(gradient) if slices::are_f32_on_cpu(&[gradient]) => {
                    slices::read([gradient], |[values]| values.iter().map(|value| f64::from(value.abs())).sum::<f64>())?
                }
                Some(gradient) => gradient.abs()?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?,
                None => 0.0,
            };
            if !(size.is_finite() && size > 0.0) {
                without.push(name.to_owned());
            }
        }
        if without.is_empty() { Ok(()) } else { Err(Error::NoGradient(without)) }
    }

    /// Writes all as f32 safetensors, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        save(&self.attached(), path)
    }

    /// Takes the values of a file written by [`Parameters::save`] or by `transformers`: the same names, the same shapes.
    pub fn load_values(&self, path: &Path, device: &Device) -> Result<()> {
        self.take_values(load(path, device)?, path)
    }

    /// Takes the values of `stored`, read from `path`: the same names, the same shapes.
    pub fn take_values(&self, mut stored: BTreeMap<String, Tensor>, path: &Path) -> Result<()> {
        let place = |name: &str| format!("{}, {name}", path.display());
        for (name, var) in self.iter() {
            let Some(tensor) = stored.remove(name) else {
                let expected = format!("a tensor of shape {:?}", var.dims());
                return Err(Error::Mismatch { place: place(name), found: "nothing".into(), expected });
            };
            if tensor.dims() != var.dims() {
                let (found, expected) = (format!("shape {:?}", tensor.dims()), format!("shape {:?}", var.dims()));
                return Err(Error::Mismatch { place: place(name), found, expected });
            }
            var.set(&tensor.to_dtype(var.dtype())?)?;
        }
        match stored.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::Mismatch {
                place: place(name),
                found: "a tensor this model does not have".into(),
                expected: format!("{} tensors", self.len()),
            }),
        }
    }
}

/// A tensor that is to be written.
#[derive(Debug, Clone)]
pub enum Stored<'a> {
    /// As it is.
    Tensor(Tensor),
    /// Shape and elements.
    Slice(&'a [usize], &'a [f32]),
}

impl Stored<'_> {
    fn shape(&self) -> &[usize] {
        match self {
            Stored::Tensor(tensor) => tensor.dims(),
            Stored::Slice(shape, _) => shape,
        }
    }

    /// A copy in main memory.
    pub fn tensor(&self) -> Result<Tensor> {
        match self {
            Stored::Tensor(tensor) => Ok(tensor.to_device(&Device::Cpu)?.copy()?),
            Stored::Slice(shape, values) => Ok(Tensor::from_slice(values, *shape, &Device::Cpu)?),
        }
    }

    /// Hands the elements as f32 to `work`.
    fn read(&self, work: impl FnOnce(&[f32]) -> std::io::Result<()>) -> Result<std::io::Result<()>> {
        match self {
            Stored::Slice(_, values) => Ok(work(values)),
            Stored::Tensor(tensor) if slices::are_f32_on_cpu(&[tensor]) => {
                Ok(slices::read([tensor], |[values]| work(values))?)
            }
            Stored::Tensor(tensor) => Ok(work(&tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?)),
        }
    }
}

/// Writes tensors as f32 safetensors with the header Hugging Face expects, whole or not at all.
pub fn save(tensors: &BTreeMap<String, Tensor>, path: &Path) -> Result<()> {
    let stored = tensors.iter().map(|(name, tensor)| (name.clone(), Stored::Tensor(tensor.clone())));
    write(&stored.collect(), path)
}

/// The same; beside the tensors it takes hardly any memory.
pub fn write(tensors: &BTreeMap<String, Stored>, path: &Path) -> Result<()> {
    let mut header = serde_json::Map::from_iter([("__metadata__".to_owned(), json!({ "format": "pt" }))]);
    let mut end = 0;
    for (name, tensor) in tensors {
        let begin = end;
        end += 4 * tensor.shape().iter().product::<usize>();
        header.insert(name.clone(), json!({ "dtype": "F32", "shape": tensor.shape(), "data_offsets": [begin, end] }));
    }
    let mut header = serde_json::to_vec(&header).expect("plain data");
    header.resize(header.len().next_multiple_of(8), b' '); // so that the elements begin at a multiple of 8
    let mut file = AtomicFile::create(path)?;
    let size = (header.len() as u64).to_le_bytes();
    file.write_all(&size).and_then(|()| file.write_all(&header)).map_err(FileError::io("write", path))?;
    for tensor in tensors.values() {
        let written = tensor.read(|values| {
            values.chunks(1 << 14).try_for_each(|chunk| {
                file.write_all(&chunk.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
            })
        })?;
        written.map_err(FileError::io("write", path))?;
    }
    Ok(file.commit()?)
}

/// Reads the safetensors file `path`, or, where it is not there, the parts of it that `transformers` makes of a large model
/// and lists in `path` with `.index.json` behind.
///
/// # Errors
/// No such file and no such list, a list that is none, a part that is missing or lacks a tensor the list promises.
pub fn load_parts(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let list = path.with_extension("safetensors.index.json");
    if path.exists() || !list.exists() {
        return load(path, device);
    }
    let bytes = std::fs::read(&list).map_err(FileError::io("read", &list))?;
    let parts: Parts = serde_json::from_slice(&bytes).map_err(FileError::format(&list))?;
    let files: BTreeSet<&String> = parts.weight_map.values().collect();
    let mut tensors = BTreeMap::new();
    for file in files {
        tensors.extend(load(&list.with_file_name(file), device)?);
    }
    match parts.weight_map.iter().find(|(name, _)| !tensors.contains_key(*name)) {
        None => Ok(tensors),
        Some((name, file)) => Err(Error::Mismatch {
            place: list.with_file_name(file).display().to_string(),
            found: format!("no tensor {name}"),
            expected: format!("it, as {} says", list.display()),
        }),
    }
}

/// The list of a model's parts, as `transformers` writes it.
#[derive(serde::Deserialize)]
struct Parts {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

/// Reads a safetensors file tensor by tensor, so that it is in memory once.
pub fn load(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let io = |error| FileError::io("read", path)(error);
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(io)?;
    let (size, all) = (u64::from_le_bytes(size), file.get_ref().metadata().map_err(io)?.len());
    let mut header = Vec::new();
    file.by_ref().take(size).read_to_end(&mut header).map_err(io)?;
    let header: Metadata = serde_json::from_slice(&header).map_err(FileError::format(path))?;
    let mut infos: Vec<_> = header.tensors().into_iter().collect();
    infos.sort_by_key(|(_, info)| info.data_offsets);
    let expected = 8 + size + infos.last().map_or(0, |(_, info)| info.data_offsets.1) as u64;
    if all != expected {
        let (found, expected) = (format!("{all} bytes"), format!("{expected}, as its header says"));
        return Err(Error::Mismatch { place: path.display().to_string(), found, expected });
    }
    let mut tensors = BTreeMap::new();
    for (name, info) in infos {
        let mut bytes = vec![0; info.data_offsets.1 - info.data_offsets.0];
        file.read_exact(&mut bytes).map_err(io)?;
        tensors.insert(name, Tensor::from_raw_buffer(&bytes, info.dtype.try_into()?, &info.shape, device)?);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Parameters {
        let mut parameters = Parameters::new();
        parameters.normal("b.weight", &[3, 2], 1.0, Key::new(1), &Device::Cpu).unwrap();
        parameters.ones("a.weight", &[2], &Device::Cpu).unwrap();
        parameters
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let (first, mut second) = (two(), two());
        first.save(&path).unwrap();
        second.normal("b.weight", &[3, 2], 1.0, Key::new(2), &Device::Cpu).unwrap();
        second.load_values(&path, &Device::Cpu).unwrap();
        for ((_, a), (_, b)) in first.iter().zip(second.iter()) {
            assert_eq!(
                a.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
                b.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            );
        }
        second.ones("a.weight", &[3], &Device::Cpu).unwrap();
        let message = second.load_values(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains("a.weight: found shape [2]; expected shape [3]"), "{message}");
    }

    #[test]
    fn a_model_in_parts_is_read_by_its_list() {
        let folder = tempfile::tempdir().unwrap();
        let (path, model) = (folder.path().join("model.safetensors"), two());
        for (number, (name, tensor)) in model.attached().into_iter().enumerate() {
            let part = folder.path().join(format!("model-0000{}-of-00002.safetensors", number + 1));
            save(&BTreeMap::from([(name, tensor)]), &part).unwrap();
        }
        let list = |parts: &str| {
            std::fs::write(folder.path().join("model.safetensors.index.json"), format!("{{\"weight_map\":{parts}}}"))
        };
        let [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        list(&format!("{{\"a.weight\":\"{first}\",\"b.weight\":\"{second}\"}}")).unwrap();
        two().take_values(load_parts(&path, &Device::Cpu).unwrap(), &path).unwrap();
        list(&format!("{{\"a.weight\":\"{first}\",\"b.weight\":\"{first}\"}}")).unwrap();
        let message = load_parts(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains("model-00001-of-00002.safetensors: found no tensor b.weight"), "{message}");
        // The whole file comes first.
        model.save(&path).unwrap();
        two().take_values(load_parts(&path, &Device::Cpu).unwrap(), &path).unwrap();
    }

    #[test]
    fn a_file_is_what_the_safetensors_crate_would_write() {
        use safetensors::tensor::{Dtype, TensorView};
        let (folder, parameters) = (tempfile::tempdir().unwrap(), two());
        let path = folder.path().join("model.safetensors");
        let doubled = parameters.to_dtype(DType::F64).unwrap();
        let bytes = |name: &str| -> Vec<u8> {
            let values = parameters.get(name).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        let (a, b) = (bytes("a.weight"), bytes("b.weight"));
        let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        let views = [("b.weight", view(&[3, 2], &b)), ("a.weight", view(&[2], &a))];
        let about = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let expected = safetensors::serialize(views, Some(about)).unwrap();
        let values = parameters.get("b.weight").unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let slice = [("b.weight".to_owned(), Stored::Slice(&[3, 2], &values))];
        let both = [("a.weight".to_owned(), Stored::Tensor(parameters.get("a.weight").unwrap().as_tensor().clone()))];
        for tensors in [parameters.attached(), doubled.attached()] {
            save(&tensors, &path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), expected);
        }
        write(&slice.into_iter().chain(both).collect(), &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
    }

    #[test]
    fn maps_are_told_from_embeddings_and_vectors() {
        let mut parameters = two();
        parameters.ones("c.weight", &[3, 2], &Device::Cpu).unwrap();
        parameters.mark_embedding("c.weight");
        for copy in [parameters.copy().unwrap(), parameters.to_dtype(DType::F64).unwrap(), parameters] {
            let maps: Vec<&str> = copy.iter().map(|(name, _)| name).filter(|name| copy.is_map(name)).collect();
            assert_eq!(maps, ["b.weight"]);
        }
    }

    #[test]
    fn a_parameter_without_gradient_is_named() {
        let parameters = two();
        let loss = parameters.get("b.weight").unwrap().sqr().unwrap().sum_all().unwrap();
        let error = parameters.check_gradients(&loss.backward().unwrap()).unwrap_err();
        assert!(matches!(error, Error::NoGradient(names) if names == ["a.weight"]));
    }
}
