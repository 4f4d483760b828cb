# Sourced: makes certificates with OpenSSL, as an operator does.

authority() { # DIR
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=Test authority' -keyout "$1/ca-key.pem" -out "$1/ca.pem" 2>/dev/null
}

# Signs a certificate for a key that is there: in DIR/NAME-key.pem, for the certificate in DIR/NAME.pem.
sign() { # DIR NAME SUBJECT EXTENSIONS [PASSWORD]
  local dir=$1 name=$2 subject=$3 extensions=$4 password=${5:-none}
  openssl req -new -key "$dir/$name-key.pem" -passin "pass:$password" -subj "$subject" -out "$dir/$name.csr"
  openssl x509 -req -in "$dir/$name.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca-key.pem" -CAcreateserial -days 30 \
    -extfile <(printf '%b' "$extensions") -out "$dir/$name.pem" 2>/dev/null
}

for_server='subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n'
for_client='extendedKeyUsage=clientAuth\n'

# One of each kind of key that brokers are given, each in DIR/KIND-key.pem.
key_of() { # DIR KIND PASSWORD
  local file=$1/$2-key.pem password=$3 rsa=$1/rsa.tmp
  [[ -e $rsa ]] || openssl genrsa -out "$rsa" 2048 2>/dev/null
  case $2 in
  rsa-pkcs8) openssl pkcs8 -topk8 -nocrypt -in "$rsa" -out "$file" ;;
  rsa-pkcs1) openssl rsa -traditional -in "$rsa" -out "$file" 2>/dev/null ;;
  rsa-encrypted) openssl pkcs8 -topk8 -in "$rsa" -out "$file" -passout "pass:$password" ;;
  rsa-traditional-encrypted) openssl rsa -traditional -aes256 -in "$rsa" -out "$file" -passout "pass:$password" 2>/dev/null ;;
  ec-sec1) openssl ecparam -name prime256v1 -genkey -out "$file" ;;
  ec-p384) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$file" ;;
  ed25519) openssl genpkey -algorithm ed25519 -out "$file" ;;
  esac
}
key_kinds=(rsa-pkcs8 rsa-pkcs1 rsa-encrypted rsa-traditional-encrypted ec-sec1 ec-p384 ed25519)
