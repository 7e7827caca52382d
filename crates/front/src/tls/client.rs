//! Client certificates: whether the client holds the key of the one that it shows. Nothing else is
//! checked here: certificates of devices are self-signed, often X.509 v1 without extensions, and
//! whether one is trusted is decided where devices are known.

use std::fmt;
use std::sync::Arc;

use super::der::inside_sequence;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Certificates in one chain.
const CHAIN_LEN_MAX: usize = 10;
/// Bytes of one certificate.
const CERTIFICATE_BYTES_MAX: usize = 16 << 10;

/// Asks for a certificate, and takes a client that has none.
pub(super) struct ClientCertificates {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertificates {
    pub(super) fn new(provider: &CryptoProvider) -> Arc<Self> {
        Arc::new(Self { algorithms: provider.signature_verification_algorithms })
    }

    fn verify(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| bad_encoding())?;
        let info = parsed.tbs_certificate.subject_pki;
        let identifier = algorithm_identifier(info.raw).ok_or_else(bad_encoding)?;
        let of_scheme = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let fitting = of_scheme
            .flat_map(|(_, algorithms)| algorithms.iter())
            .find(|algorithm| algorithm.public_key_alg_id().as_ref() == identifier);
        let algorithm = fitting.ok_or(CertificateError::BadSignature)?;
        algorithm
            .verify_signature(&info.subject_public_key.data, message, signed.signature())
            .map(|()| HandshakeSignatureValid::assertion())
            .map_err(|_| CertificateError::BadSignature.into())
    }
}

impl ClientCertVerifier for ClientCertificates {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hint: clients with self-signed certificates send theirs.
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let too_large = |certificate: &&CertificateDer<'_>| certificate.len() > CERTIFICATE_BYTES_MAX;
        if above.len() >= CHAIN_LEN_MAX || std::iter::once(own).chain(above).any(|one| too_large(&one)) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        X509Certificate::from_der(own).map_err(|_| bad_encoding())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        use SignatureScheme::{RSA_PKCS1_SHA1, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512};
        // TLS 1.3 has no place for these.
        if [RSA_PKCS1_SHA1, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512].contains(&signed.scheme) {
            return Err(CertificateError::BadSignature.into());
        }
        self.verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificates")
    }
}

fn bad_encoding() -> Error {
    CertificateError::BadEncoding.into()
}

/// What stands inside the algorithm's sequence, the first thing inside that of the key's information.
fn algorithm_identifier(info: &[u8]) -> Option<&[u8]> {
    inside_sequence(inside_sequence(info)?)
}
