#!/usr/bin/env bash
# A real Apache Kafka on loopback: one node (KRaft), from Maven Central.
#
#   kafka.sh DIR PORT CONTROLLER_PORT
#
# DIR  data directory: created and formatted if new, used as it is otherwise
#
# Runs in the foreground and becomes the broker, so this pid takes SIGTERM
# (clean stop, exit status 143) and SIGKILL (crash). Exit status 2: bad use, or
# the jars could not be fetched.
#
#   kafka.sh fetch          only fetches the jars (once per version)
#
# SWEETSPOT_CACHE  folder of fetched tools
#                  (default: ${XDG_CACHE_HOME:-$HOME/.cache}/sweetspot-ci)
# KAFKA_HEAP       JVM heap (default: 512m)
# KAFKA_LOG        error, warn, info or debug (default: warn)
# KAFKA_EXTRA      file of broker properties that come after these here and
#                  override them, as listeners with TLS and logins do
#
# Needs Java 17 or newer, and Maven to fetch. The version stands in pom.xml.
set -euo pipefail

die() {
  echo "kafka.sh: $*" >&2
  exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
libs=${SWEETSPOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sweetspot-ci}/kafka-$version

fetch() {
  [ ! -d "$libs" ] || return 0
  command -v mvn >/dev/null || die "mvn not found: Maven is needed once to fetch Kafka $version"
  mkdir -p "$(dirname "$libs")"
  # The folder gets its name only when it is complete.
  part=$(mktemp -d "$libs.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$part" >&2 || die "Maven could not fetch Kafka $version"
  [ -d "$libs" ] || mv "$part" "$libs" # another run may have been first
  rm -rf "$part"
  trap - EXIT
}

if [ "$*" = fetch ]; then
  fetch
  exit
fi

[ $# -eq 3 ] || die "usage: kafka.sh DIR PORT CONTROLLER_PORT | kafka.sh fetch"
dir=$1 port=$2 controller=$3
case $port$controller in *[!0-9]*) die "ports must be numbers, not '$port' and '$controller'" ;; esac
command -v java >/dev/null || die "java not found: 17 or newer is needed"
fetch

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
# A second broker on the same data would write to the metadata log before Kafka
# itself noticed. The JVM inherits the lock and it ends with it, however that ends.
if command -v flock >/dev/null; then
  exec 9>"$dir/lock"
  flock -n 9 || die "$dir is in use by another broker"
fi

conf=$dir/server.properties
cat >"$conf" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=false
# One node: every internal topic has one replica and few partitions.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
# Groups form at once and may use short sessions.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
# A broker killed with SIGKILL may register again after this long (default 9 s).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
P
if [ -n "${KAFKA_EXTRA:-}" ]; then
  cat "$KAFKA_EXTRA" >>"$conf"
fi

run() { # run HEAP CLASS ARGS...: this process becomes that JVM
  exec java "-Xmx$1" -cp "$libs/*" "-Dorg.slf4j.simpleLogger.defaultLogLevel=${KAFKA_LOG:-warn}" \
    -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info "${@:2}"
}

if [ ! -f "$dir/data/meta.properties" ]; then
  (run 256m kafka.tools.StorageTool format --cluster-id MkU3OEVBNTcwNTJENDM2Qg \
    --ignore-formatted --config "$conf") >&2 || die "$dir/data could not be formatted"
fi
run "${KAFKA_HEAP:-512m}" kafka.Kafka "$conf"
