// Keys and certificates as openssl makes them.

'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'certificates-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));

let made = 0;

function openssl(...words) {
  return execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
}

// Files of a new key and of what it asks to be signed.
function request(name) {
  made += 1;
  const file = (suffix) => path.join(folder, `${made}.${suffix}`);
  const subject = '/CN=' + name.replace(/\//g, '\\/');
  openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', file('key'), '-subj', subject, '-out', file('csr'));
  return { key: file('key'), csr: file('csr'), cert: file('pem') };
}

// As openssl makes it by default: version 1, nothing but a name.
function selfSigned(name) {
  const { key, csr, cert } = request(name);
  openssl('x509', '-req', '-in', csr, '-signkey', key, '-days', '30', '-out', cert);
  return { key: fs.readFileSync(key, 'utf8'), cert: fs.readFileSync(cert, 'utf8'), file: cert };
}

function thumbprint(certificate, kind) {
  const text = openssl('x509', '-in', certificate.file, '-noout', '-fingerprint', '-' + kind);
  return text.split('=')[1].trim().replace(/:/g, '');
}

function authority(name) {
  const { key, cert } = request(name);
  openssl('req', '-x509', '-key', key, '-subj', '/CN=' + name, '-days', '30', '-out', cert);
  return { key, cert };
}

// What `name` shows, signed by the authority.
function signed(by, name) {
  const { key, csr, cert } = request(name);
  openssl('x509', '-req', '-in', csr, '-CA', by.cert, '-CAkey', by.key, '-CAcreateserial', '-days', '30', '-out', cert);
  return { key: fs.readFileSync(key, 'utf8'), cert: fs.readFileSync(cert, 'utf8') };
}

module.exports = { authority, folder, openssl, request, selfSigned, signed, thumbprint };
