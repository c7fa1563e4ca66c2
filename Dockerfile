# Makes the zips on a machine that has Docker and is no Debian, in dist/:
#
#   docker build --output dist .
#
# Every step is one of `make package`, on the same Debian; the toolchain is that of swift.org. Zips for arm64 are made on
# an arm64 machine.
FROM swift:6.3-bookworm AS build
WORKDIR /sftp-lambda
COPY scripts scripts
RUN scripts/packages
RUN scripts/deps
COPY . .
RUN scripts/package

FROM scratch
COPY --from=build /sftp-lambda/dist /
