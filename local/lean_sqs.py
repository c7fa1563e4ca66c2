"""A small SQS that keeps up, beside local/lean_s3.py and on its port: for measurements, where moto would be what is
measured. Queues come to be when they are first named. It speaks the JSON protocol and knows the requests below;
visibility, receipt handles and receive counts are those of SQS, attributes of messages are not kept.
"""

import hashlib
import json
import time

MAXIMUM_RECEIVED = 10
VISIBILITY_SECONDS = 30
URL_PATH = "000000000000"


class Failure(Exception):
    """An error of the protocol."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class Message:
    def __init__(self, number, body):
        self.id, self.body = f"message-{number}", body
        self.sent = time.time()
        self.visible_from = 0.0
        self.receives = 0

    @property
    def receipt(self):
        return f"{self.id}#{self.receives}"

    def received(self, visibility_seconds):
        self.receives += 1
        self.visible_from = time.monotonic() + visibility_seconds
        return {
            "MessageId": self.id, "ReceiptHandle": self.receipt, "Body": self.body,
            "MD5OfBody": hashlib.md5(self.body.encode()).hexdigest(),
            "Attributes": {"ApproximateReceiveCount": str(self.receives), "SentTimestamp": str(int(self.sent * 1000))},
        }


def attributes_md5(attributes):
    """As the SQS Developer Guide computes it ("Calculating the MD5 message digest for message attributes"), of text."""
    digest = hashlib.md5()
    for name in sorted(attributes):
        value = attributes[name]
        for part, head in ((name, b""), (value["DataType"], b""), (value["StringValue"], b"\1")):
            digest.update(head + len(part.encode()).to_bytes(4, "big") + part.encode())
    return digest.hexdigest()


class Queues:
    """The messages of each queue, by id."""

    def __init__(self):
        self.queues = {}
        self.sent = 0

    def answer(self, endpoint, target, body):
        """(status, headers, content, seconds to wait before answering)."""
        order = json.loads(body)
        headers = {"Content-Type": "application/x-amz-json-1.0"}
        try:
            operation = getattr(self, target.partition(".")[2], None)
            if operation is None:
                raise Failure("InvalidAction", f"{target} is not known here")
            result = operation(self.queue(endpoint, order), order) if "QueueUrl" in order else operation(endpoint, order)
        except Failure as failure:
            document = {"__type": f"com.amazonaws.sqs#{failure.code}", "message": failure.message}
            return 400, headers, json.dumps(document).encode(), 0
        is_empty = target.endswith(".ReceiveMessage") and not result
        wait_seconds = order.get("WaitTimeSeconds", 0) if is_empty else 0
        return 200, headers, json.dumps(result).encode(), wait_seconds

    def bodies(self):
        """Those of all messages, hidden ones included."""
        return [message.body for queue in self.queues.values() for message in queue.values()]

    def show(self):
        """Ends every visibility timeout."""
        for queue in self.queues.values():
            for message in queue.values():
                message.visible_from = 0.0

    def queue(self, endpoint, order):
        return self.queues.setdefault(order["QueueUrl"].rpartition("/")[2], {})

    def GetQueueUrl(self, endpoint, order):
        return {"QueueUrl": f"{endpoint}/{URL_PATH}/{order['QueueName']}"}

    def GetQueueAttributes(self, queue, order):
        hidden = sum(message.visible_from > time.monotonic() for message in queue.values())
        counts = {"ApproximateNumberOfMessages": len(queue) - hidden, "ApproximateNumberOfMessagesNotVisible": hidden}
        return {"Attributes": {name: str(value) for name, value in counts.items()}}

    def SendMessage(self, queue, order):
        self.sent += 1
        message = Message(self.sent, order["MessageBody"])
        queue[message.id] = message
        answer = {"MessageId": message.id, "MD5OfMessageBody": hashlib.md5(message.body.encode()).hexdigest()}
        if order.get("MessageAttributes"):
            answer["MD5OfMessageAttributes"] = attributes_md5(order["MessageAttributes"])
        return answer

    def SendMessageBatch(self, queue, order):
        return self.batch(order, lambda entry: self.SendMessage(queue, entry))

    def ReceiveMessage(self, queue, order):
        now = time.monotonic()
        wanted = min(order.get("MaxNumberOfMessages", 1), MAXIMUM_RECEIVED)
        visibility_seconds = order.get("VisibilityTimeout", VISIBILITY_SECONDS)
        found = []
        for message in queue.values():
            if message.visible_from <= now:
                found.append(message.received(visibility_seconds))
                if len(found) == wanted:
                    break
        return {"Messages": found} if found else {}

    def DeleteMessage(self, queue, order):
        message = self.held(queue, order)
        queue.pop(message.id)
        return {}

    def DeleteMessageBatch(self, queue, order):
        return self.batch(order, lambda entry: self.DeleteMessage(queue, entry))

    def ChangeMessageVisibility(self, queue, order):
        self.held(queue, order).visible_from = time.monotonic() + order["VisibilityTimeout"]
        return {}

    def ChangeMessageVisibilityBatch(self, queue, order):
        return self.batch(order, lambda entry: self.ChangeMessageVisibility(queue, entry))

    @staticmethod
    def held(queue, order):
        """The message, if this is the handle of its last receipt."""
        message = queue.get(order["ReceiptHandle"].partition("#")[0])
        if message is None or message.receipt != order["ReceiptHandle"]:
            raise Failure("ReceiptHandleIsInvalid", "the receipt handle is not the last one")
        return message

    @staticmethod
    def batch(order, each):
        done, failed = [], []
        for entry in order["Entries"]:
            try:
                done.append({"Id": entry["Id"], **each(entry)})
            except Failure as failure:
                failed.append(
                    {"Id": entry["Id"], "SenderFault": True, "Code": failure.code, "Message": failure.message})
        return {"Successful": done, "Failed": failed}
