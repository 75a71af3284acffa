# One image for every service and job; the command chooses which: `services.identity` is identity.
# `make image` builds it. What it is made of is pinned: the packages by hash, the stubs and the model
# as `make` has built and signed them. It fetches nothing when it starts and writes nothing but where
# it is told to, so it runs as anybody, on a root file system that is read-only.

# The Python that the tests run on and that the model was trained with.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

# --- The packages, and only what they need to run -------------------------------------------------

FROM ${BASE_IMAGE} AS packages
WORKDIR /hudhud
# For `strip` alone: some wheels are mostly what a debugger would read.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils > /dev/null
COPY requirements/service.lock requirements/
# pip stays behind in an environment of its own. Wheels alone: nothing here needs a compiler.
RUN python3 -m venv /pip \
    && python3 -m venv --without-pip .venv \
    && /pip/bin/python -m pip --python .venv/bin/python install --no-cache-dir --no-compile \
        --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/service.lock
# Their own tests and sources go, where a phone number's holder lives and who its carrier is, weights
# of fonts that no invoice has, what pictures need that none of ours is, and the parts of scikit-learn
# and of what it stands on that nothing here touches. Python's files stay in compiled form: what is
# under .venv is nobody's to read or change. Compiled files are trusted as they are. What auditwheel
# put into `.libs` is stripped already, and does not bear it twice.
RUN cd .venv/lib/python3*/site-packages \
    && find . -type d -name tests -prune -exec rm -rf {} + \
    && find . -type f \( -name '*.py[xid]' -o -name '*.px[di]' -o -name '*.c' -o -name '*.h' \
        -o -name '*.cpp' -o -name '*.hpp' -o -name '*.a' \) -delete \
    && rm -rf phonenumbers/geodata phonenumbers/carrierdata \
    && (cd sklearn && rm -rf cluster datasets decomposition ensemble manifold neighbors tree) \
    && (cd scipy && rm -rf cluster fftpack io odr signal stats/_unuran) \
    && rm -rf numpy/distutils joblib/test pydantic/v1 pygments \
    && (cd PIL && rm -rf _avif.* _webp.* _imagingcms.* _imagingft.* _imagingtk.*) \
    && (cd pillow.libs && rm -rf libavif* libwebp* libsharpyuv* liblcms2* libfreetype* \
        libharfbuzz* libbrotli* libpng*) \
    && find fontpkg_fira_sans fontpkg_ibm_plex_sans_arabic -name '*.ttf' \
        ! -name '*-Regular.ttf' ! -name '*-Medium.ttf' ! -name '*-SemiBold.ttf' -delete \
    && find . -name '*.so' ! -path './*.libs/*' -exec strip --strip-unneeded {} + \
    && /hudhud/.venv/bin/python -m compileall -q -b -j 0 --invalidation-mode unchecked-hash . \
    && find . -type f -name '*.py' -delete

# --- The whole of it ------------------------------------------------------------------------------

FROM ${BASE_IMAGE} AS whole
WORKDIR /hudhud
ENV PATH=/hudhud/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/hudhud:/hudhud/build/stubs \
    HUDHUD_MODEL_DIRECTORY=/hudhud/ml/released \
    HUDHUD_MODEL_VERIFICATION_KEY_FILE=/hudhud/ml/released/release.pub
COPY --from=packages /hudhud/.venv .venv
COPY requirements/service.lock requirements/
COPY build/stubs build/stubs
COPY ml ml
COPY services services
# Perl goes the way it came, so that dpkg does not know of it any more: the bill of materials names what
# is really there, and the check says whether it is enough. What the check imports of Python itself
# stays compiled: nobody could keep that later.
RUN PATH=$PATH:/usr/sbin:/sbin dpkg --purge --force-remove-essential --force-depends perl-base \
    && python -m services.cluster.bill_of_materials requirements/service.lock \
        > bill-of-materials.cdx.json \
    && python -m services.cluster.self_check \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash services ml build \
    && rm -rf requirements \
    && chmod -R a+rX .
# Of the base go pip and what else nobody would miss who does not install; licences stay.
RUN cd "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && rm -rf ensurepip idlelib lib2to3 pydoc_data test tkinter turtledemo site-packages/* \
        /usr/local/include /usr/lib/*/gconv /usr/share/locale /usr/share/man /usr/share/info \
        /usr/share/python-wheels /var/cache/* /var/lib/apt/lists/* /var/log/* \
    && find /usr/share/doc -type f ! -name copyright -delete
ARG SIZE_MAX_BYTES=400000000
RUN size=$(du --summarize --one-file-system --apparent-size --block-size=1 / | cut -f 1) \
    && echo "The image has $size bytes, unpacked." \
    && { [ "$size" -le "$SIZE_MAX_BYTES" ] || { echo "At most $SIZE_MAX_BYTES." >&2; exit 1; }; }

# --- What runs ------------------------------------------------------------------------------------

# One layer: what was taken out above is really gone, and no file is there twice.
FROM scratch
COPY --from=whole / /
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Hudhud" \
      org.opencontainers.image.description="Every service and job of the Hudhud messaging platform" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /hudhud
ENV PATH=/hudhud/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONPATH=/hudhud:/hudhud/build/stubs \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GRPC_ENABLE_FORK_SUPPORT=false \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    HOME=/tmp \
    HUDHUD_LOG_FORMAT=json \
    HUDHUD_MODEL_DIRECTORY=/hudhud/ml/released \
    HUDHUD_MODEL_VERIFICATION_KEY_FILE=/hudhud/ml/released/release.pub
# Nobody in particular; a cluster may choose any other.
USER 10001:10001
ENTRYPOINT ["python", "-m"]
CMD ["services.local.cli"]
