//! Certificates for one run: a root, one certificate that every server shows, one that every client
//! of the storm shows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use skerry_tokens::Thumbprint;
use skerry_uplink::{ClientCertificate, TlsOptions};

use super::meter::Trouble;

pub(crate) const HOST: &str = "localhost";

#[derive(Clone, Debug)]
pub(crate) struct Papers {
    folder: PathBuf,
}

impl Papers {
    pub(crate) fn issue(folder: &Path) -> Result<Self, Trouble> {
        fs::create_dir_all(folder)?;
        let papers = Self::in_folder(folder);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "Bench root");
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        fs::write(papers.root(), root.pem())?;
        let leaves = [
            (papers.certificate(), papers.key(), HOST, ExtendedKeyUsagePurpose::ServerAuth),
            (papers.client_certificate(), papers.client_key(), "device", ExtendedKeyUsagePurpose::ClientAuth),
        ];
        for (certificate, key, name, usage) in leaves {
            let mut params = CertificateParams::new([name.to_owned()])?;
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.extended_key_usages = vec![usage];
            let pair = KeyPair::generate()?;
            fs::write(certificate, params.signed_by(&pair, &root)?.pem())?;
            fs::write(key, pair.serialize_pem())?;
        }
        Ok(papers)
    }

    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    fn client_certificate(&self) -> PathBuf {
        self.folder.join("client.pem")
    }

    fn client_key(&self) -> PathBuf {
        self.folder.join("client.key")
    }

    /// What clients trust, each connection with a handshake of its own.
    pub(crate) fn tls(
        &self,
        with_certificate: bool,
    ) -> Result<(ServerName<'static>, Arc<ClientConfig>), Trouble> {
        let (roots, chain, key) =
            (fs::read(self.root())?, fs::read(self.client_certificate())?, fs::read(self.client_key())?);
        let certificate = with_certificate.then_some(ClientCertificate { chain: &chain, key: &key });
        let config = TlsOptions { roots: &roots, certificate, resumption: false }.build()?;
        Ok((ServerName::try_from(HOST)?, config))
    }

    pub(crate) fn client_thumbprint(&self) -> Result<String, Trouble> {
        let certificate =
            CertificateDer::from_pem_file(self.client_certificate()).map_err(io::Error::other)?;
        Ok(Thumbprint::sha256_of(&certificate).to_string())
    }
}
