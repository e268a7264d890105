// SPDX-License-Identifier: GPL-3.0-or-later
// The same server as serve.c on gRPC C++: peer callback|async [CERT KEY]. One completion queue and
// one thread for the async API. Built by tests/bench/rpc/run only.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>

#include <grpcpp/grpcpp.h>

#include "signalexchange.grpc.pb.h"

using grpc::ServerContext;
using grpc::Status;
using signalexchange::EncryptedMessage;
using signalexchange::SignalExchange;

static std::string
read_file(const char *path)
{
	std::ifstream in(path);
	std::stringstream out;
	out << in.rdbuf();
	return out.str();
}

static std::unique_ptr<grpc::Server>
start(grpc::ServerBuilder &builder, int argc, char **argv, int *port)
{
	std::shared_ptr<grpc::ServerCredentials> creds = grpc::InsecureServerCredentials();
	if (argc == 4) {
		grpc::SslServerCredentialsOptions options;
		options.pem_key_cert_pairs.push_back({ read_file(argv[3]), read_file(argv[2]) });
		creds = grpc::SslServerCredentials(options);
	}
	// The arguments of rpc/server.c and rpc/args.c.
	builder.AddChannelArgument(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
	builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
	builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
	builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
	builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
	builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
	builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8192);
	builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
	builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
	builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
	builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
	builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10000);
	builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 300000);
	builder.SetMaxReceiveMessageSize(1 << 20);
	builder.SetMaxSendMessageSize(16 << 20);
	builder.AddListeningPort("127.0.0.1:0", creds, port);
	return builder.BuildAndStart();
}

// --- Callback API ---

class Stream;
static std::mutex streams_lock;
static std::set<Stream *> streams;

class Stream : public grpc::ServerBidiReactor<EncryptedMessage, EncryptedMessage>
{
      public:
	Stream()
	{
		std::lock_guard<std::mutex> hold(streams_lock);
		streams.insert(this);
		StartSendInitialMetadata();
		StartRead(&in_);
	}
	void
	Send(const EncryptedMessage &m)
	{
		out_ = m;
		StartWrite(&out_);
	}
	void
	OnReadDone(bool ok) override
	{
		if (ok)
			StartRead(&in_);
		else
			Finish(Status::OK);
	}
	void
	OnDone() override
	{
		{
			std::lock_guard<std::mutex> hold(streams_lock);
			streams.erase(this);
		}
		delete this;
	}

      private:
	EncryptedMessage in_, out_;
};

class CallbackService final : public SignalExchange::CallbackService
{
	grpc::ServerUnaryReactor *
	Send(grpc::CallbackServerContext *context,
	     const EncryptedMessage *request,
	     EncryptedMessage *reply) override
	{
		auto *reactor = context->DefaultReactor();
		if (request->remotekey() == "broadcast") {
			std::lock_guard<std::mutex> hold(streams_lock);
			for (Stream *stream : streams)
				stream->Send(*request);
		} else {
			*reply = *request;
		}
		reactor->Finish(Status::OK);
		return reactor;
	}
	grpc::ServerBidiReactor<EncryptedMessage, EncryptedMessage> *
	ConnectStream(grpc::CallbackServerContext *) override
	{
		return new Stream;
	}
};

static int
callback_server(int argc, char **argv)
{
	CallbackService service;
	grpc::ServerBuilder builder;
	int port = 0;
	builder.RegisterService(&service);
	auto server = start(builder, argc, argv, &port);
	if (!server)
		return 1;
	printf("%d\n", port);
	fflush(stdout);
	server->Wait();
	return 0;
}

// --- Async API ---

struct Tag {
	virtual void Proceed(bool ok) = 0;
	virtual ~Tag() = default;
};

static SignalExchange::AsyncService async_service;
static std::unique_ptr<grpc::ServerCompletionQueue> cq;

class AsyncStream : public Tag
{
      public:
	AsyncStream() : io_(&context_), write_tag_(this), read_tag_(this)
	{
		async_service.RequestConnectStream(&context_, &io_, cq.get(), cq.get(), this);
	}
	void
	Proceed(bool ok) override
	{
		if (!ok || state_ == kFinished) {
			delete this;
			return;
		}
		if (state_ == kNew) {
			new AsyncStream;
			state_ = kOpen;
			all().insert(this);
			io_.SendInitialMetadata(this);
			io_.Read(&in_, &read_tag_);
		}
	}
	void
	Send(const EncryptedMessage &m)
	{
		io_.Write(m, &write_tag_);
	}
	static std::set<AsyncStream *> &
	all()
	{
		static std::set<AsyncStream *> set;
		return set;
	}

      private:
	enum { kNew, kOpen, kFinished } state_ = kNew;
	struct WriteTag : Tag {
		explicit WriteTag(AsyncStream *)
		{
		}
		void
		Proceed(bool) override
		{
		}
	};
	struct ReadTag : Tag {
		explicit ReadTag(AsyncStream *s) : stream(s)
		{
		}
		void
		Proceed(bool ok) override
		{
			if (ok) {
				stream->io_.Read(&stream->in_, this);
				return;
			}
			all().erase(stream);
			stream->state_ = kFinished;
			stream->io_.Finish(Status::OK, stream);
		}
		AsyncStream *stream;
	};
	ServerContext context_;
	grpc::ServerAsyncReaderWriter<EncryptedMessage, EncryptedMessage> io_;
	EncryptedMessage in_;
	WriteTag write_tag_;
	ReadTag read_tag_;
};

class AsyncUnary : public Tag
{
      public:
	AsyncUnary() : responder_(&context_)
	{
		async_service.RequestSend(&context_, &request_, &responder_, cq.get(), cq.get(),
					  this);
	}
	void
	Proceed(bool ok) override
	{
		if (!ok || done_) {
			delete this;
			return;
		}
		new AsyncUnary;
		done_ = true;
		if (request_.remotekey() == "broadcast") {
			for (AsyncStream *stream : AsyncStream::all())
				stream->Send(request_);
			responder_.Finish(EncryptedMessage(), Status::OK, this);
		} else {
			responder_.Finish(request_, Status::OK, this);
		}
	}

      private:
	ServerContext context_;
	EncryptedMessage request_;
	grpc::ServerAsyncResponseWriter<EncryptedMessage> responder_;
	bool done_ = false;
};

static int
async_server(int argc, char **argv)
{
	grpc::ServerBuilder builder;
	int port = 0;
	builder.RegisterService(&async_service);
	cq = builder.AddCompletionQueue();
	auto server = start(builder, argc, argv, &port);
	if (!server)
		return 1;
	for (int i = 0; i < 64; i++) {
		new AsyncUnary;
		new AsyncStream;
	}
	printf("%d\n", port);
	fflush(stdout);
	void *tag;
	bool ok;
	while (cq->Next(&tag, &ok))
		static_cast<Tag *>(tag)->Proceed(ok);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc != 2 && argc != 4)
		return 2;
	return strcmp(argv[1], "async") == 0 ? async_server(argc, argv)
					     : callback_server(argc, argv);
}
