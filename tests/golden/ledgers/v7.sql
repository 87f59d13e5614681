BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
CREATE TABLE alerts (
	id INTEGER NOT NULL, 
	event_id VARCHAR NOT NULL, 
	at BIGINT NOT NULL, 
	plant VARCHAR NOT NULL, 
	source VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	message TEXT NOT NULL, 
	error_class VARCHAR NOT NULL, 
	owner VARCHAR NOT NULL, 
	correlation_id VARCHAR, 
	PRIMARY KEY (id)
);
CREATE TABLE archives (
	batch VARCHAR NOT NULL, 
	folder TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	who VARCHAR NOT NULL, 
	documents INTEGER NOT NULL, 
	postings INTEGER NOT NULL, 
	audit INTEGER NOT NULL, 
	PRIMARY KEY (batch)
);
CREATE TABLE "audit" (
	id INTEGER NOT NULL, 
	external_reference VARCHAR, 
	at BIGINT NOT NULL, 
	who VARCHAR NOT NULL, 
	from_status VARCHAR, 
	to_status VARCHAR NOT NULL, 
	why TEXT, 
	document_key VARCHAR, 
	letter_id VARCHAR, 
	PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,'r-1',4,'poster',NULL,'in_flight',NULL,'P1|1000001|0010|1',NULL);
INSERT INTO "audit" VALUES(2,'r-2',4,'poster',NULL,'in_flight',NULL,'P1|1000002|0010|1',NULL);
INSERT INTO "audit" VALUES(3,'r-2',1795284830223172,'new','in_flight','unknown','the lease of version 1 ended','P1|1000002|0010|1',NULL);
INSERT INTO "audit" VALUES(4,'r-2',1795284830267727,'new','unknown','booked',NULL,'P1|1000002|0010|1',NULL);
INSERT INTO "audit" VALUES(5,'525ba7df-7ce7-5cf5-9dcc-bf7c5ee36391',1795284830291401,'new','pending','in_flight',NULL,'P1|1000001|0010|1',NULL);
INSERT INTO "audit" VALUES(6,'525ba7df-7ce7-5cf5-9dcc-bf7c5ee36391',1795284830303098,'new','in_flight','booked',NULL,'P1|1000001|0010|1',NULL);
CREATE TABLE campaigns (
	id INTEGER NOT NULL, 
	action VARCHAR NOT NULL, 
	selection TEXT NOT NULL, 
	who VARCHAR NOT NULL, 
	why TEXT NOT NULL, 
	begun_at BIGINT NOT NULL, 
	cursor VARCHAR NOT NULL, 
	intent TEXT, 
	done BIGINT NOT NULL, 
	skipped BIGINT NOT NULL, 
	runner VARCHAR NOT NULL, 
	beat_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	PRIMARY KEY (id)
);
CREATE TABLE dead_letters (
	event_id VARCHAR NOT NULL, 
	event_time BIGINT NOT NULL, 
	plant VARCHAR NOT NULL, 
	source VARCHAR NOT NULL, 
	sequence BIGINT, 
	correlation_id VARCHAR, 
	kind VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	detail TEXT NOT NULL, 
	topic VARCHAR NOT NULL, 
	partition INTEGER NOT NULL, 
	"offset" BIGINT NOT NULL, 
	document_key VARCHAR, 
	revision BIGINT NOT NULL, 
	events BIGINT NOT NULL, 
	payload BLOB NOT NULL, 
	error_class VARCHAR DEFAULT 'application' NOT NULL, owner VARCHAR DEFAULT '' NOT NULL, state VARCHAR DEFAULT 'open' NOT NULL, state_at BIGINT DEFAULT '0' NOT NULL, replays INTEGER DEFAULT '0' NOT NULL, found_in TEXT, 
	PRIMARY KEY (event_id)
);
INSERT INTO "dead_letters" VALUES('solved',3,'P1','poster',NULL,NULL,'POSTING','M7/021','deficit','sap',0,0,'P1|1000002|0010|1',1,1,X'7B7D','application','','resolved',9,0,NULL);
INSERT INTO "dead_letters" VALUES('unsolved',3,'P1','poster',NULL,NULL,'POSTING','M7/021','deficit','sap',0,0,'P1|1000002|0010|1',1,1,X'7B7D','application','','open',3,0,NULL);
CREATE TABLE documents (
	"key" VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	system VARCHAR, 
	plant VARCHAR NOT NULL, 
	order_id VARCHAR NOT NULL, 
	operation VARCHAR NOT NULL, 
	sort_key VARCHAR NOT NULL, 
	tier INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	reference_version BIGINT NOT NULL, 
	quantities TEXT NOT NULL, 
	attributes TEXT NOT NULL, 
	final BOOLEAN NOT NULL, 
	payload_hash VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	reason TEXT, 
	waits_for VARCHAR, 
	steps INTEGER NOT NULL, 
	booked TEXT NOT NULL, 
	booked_final BOOLEAN NOT NULL, 
	correlation_id VARCHAR, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, requires TEXT DEFAULT '[]' NOT NULL, waits_since BIGINT, cancelled BOOLEAN DEFAULT 0 NOT NULL, open_since BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "documents" VALUES('P1|1000001|0010|1','ProductionConfirmation','sap','P1','1000001','0010','000001',1,2,1,'{"yield":"7"}','{"first_event_time":"2026-03-02T06:00:00+00:00","last_event_time":"2026-03-02T06:05:00+00:00","operation":"0010","posting_date":"2026-03-02","shift":"E","unit":"C62","work_center":"PRESS1"}',0,'d6f040d3dae49a7e508501ae','settled',NULL,NULL,2,'{"yield":"7.000"}',0,NULL,3,1795284830279450,'[]',NULL,0,1795284830279450);
INSERT INTO "documents" VALUES('P1|1000002|0010|1','ProductionConfirmation','sap','P1','1000002','0010','1',1,1,1,'{"yield":"5"}','{"operation":"0010"}',0,'x','settled',NULL,NULL,1,'{"yield":"5"}',0,NULL,3,4,'[]',NULL,0,4);
CREATE TABLE flow_counts (
	flow VARCHAR(64) NOT NULL, 
	lane VARCHAR(64) NOT NULL, 
	counts TEXT NOT NULL, 
	PRIMARY KEY (flow, lane)
);
CREATE TABLE lanes (
	system VARCHAR NOT NULL, 
	plant VARCHAR NOT NULL, 
	order_id VARCHAR NOT NULL, 
	tier INTEGER NOT NULL, 
	due_at BIGINT, 
	lease_owner VARCHAR, lease_until BIGINT, fence BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (system, plant, order_id)
);
INSERT INTO "lanes" VALUES('sap','P1','1000001',1,NULL,NULL,NULL,1);
INSERT INTO "lanes" VALUES('sap','P1','1000002',1,NULL,NULL,NULL,1);
CREATE TABLE postings (
	external_reference VARCHAR NOT NULL, 
	document_key VARCHAR NOT NULL, 
	step INTEGER NOT NULL, 
	action VARCHAR NOT NULL, 
	reverses VARCHAR, 
	reverses_document VARCHAR, 
	system VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	plant VARCHAR NOT NULL, 
	order_id VARCHAR NOT NULL, 
	operation VARCHAR NOT NULL, 
	quantities TEXT NOT NULL, 
	attributes TEXT NOT NULL, 
	final BOOLEAN NOT NULL, 
	revision BIGINT NOT NULL, 
	reference_version BIGINT NOT NULL, 
	status VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	failures INTEGER NOT NULL, 
	next_attempt_at BIGINT, 
	sent_at BIGINT, 
	erp_document VARCHAR, 
	reason VARCHAR, 
	detail TEXT, 
	correlation_id VARCHAR, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, fence BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (external_reference)
);
INSERT INTO "postings" VALUES('r-1','P1|1000001|0010|1',1,'book',NULL,NULL,'sap','ProductionConfirmation','P1','1000001','0010','{"yield":"5"}','{"operation":"0010"}',0,1,1,'booked',1,0,NULL,4,NULL,NULL,NULL,NULL,3,4,0);
INSERT INTO "postings" VALUES('r-2','P1|1000002|0010|1',1,'book',NULL,NULL,'sap','ProductionConfirmation','P1','1000002','0010','{"yield":"5"}','{"operation":"0010"}',0,1,1,'booked',1,0,NULL,1795284830223172,'1/1',NULL,NULL,NULL,3,1795284830267727,1);
INSERT INTO "postings" VALUES('525ba7df-7ce7-5cf5-9dcc-bf7c5ee36391','P1|1000001|0010|1',2,'book',NULL,NULL,'sap','ProductionConfirmation','P1','1000001','0010','{"yield":"2.000"}','{"first_event_time":"2026-03-02T06:00:00+00:00","last_event_time":"2026-03-02T06:05:00+00:00","operation":"0010","posting_date":"2026-03-02","shift":"E","unit":"C62","work_center":"PRESS1"}',0,2,1,'booked',1,0,NULL,1795284830291401,'1/1',NULL,NULL,NULL,1795284830291401,1795284830303098,1);
CREATE TABLE published (
	stream VARCHAR NOT NULL, 
	position BIGINT NOT NULL, 
	PRIMARY KEY (stream)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(7);
CREATE TABLE stock_standings (
	plant VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	material VARCHAR NOT NULL, 
	storage_location VARCHAR NOT NULL, 
	instant BIGINT NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (plant, name)
);
CREATE TABLE tombstones (
	unit VARCHAR NOT NULL, 
	batch VARCHAR NOT NULL, 
	packed BLOB NOT NULL, 
	PRIMARY KEY (unit)
);
CREATE INDEX documents_unsettled ON documents (order_id, plant, state, sort_key, "key") WHERE state <> 'settled';
CREATE INDEX documents_order ON documents (order_id);
CREATE INDEX lanes_due ON lanes (system, tier, due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX postings_document ON postings (document_key, step);
CREATE INDEX postings_order ON postings (order_id);
CREATE INDEX postings_open ON postings (system, order_id) WHERE status IN ('pending', 'in_flight', 'accepted', 'unknown');
CREATE INDEX dead_letters_document ON dead_letters (document_key);
CREATE INDEX documents_new ON documents (tier, plant, kind) WHERE state = 'new';
CREATE INDEX dead_letters_open ON dead_letters (event_time) WHERE state = 'open';
CREATE INDEX audit_letter ON audit (letter_id) WHERE letter_id IS NOT NULL;
CREATE INDEX campaigns_open ON campaigns (action) WHERE ended_at IS NULL;
CREATE INDEX dead_letters_waiting ON dead_letters (document_key) WHERE kind = 'TOTAL' AND state IN ('open', 'replayed');
CREATE INDEX audit_document ON audit (document_key) WHERE document_key IS NOT NULL;
CREATE INDEX stock_standings_material ON stock_standings (material, plant);
CREATE UNIQUE INDEX alerts_event ON alerts (event_id);
CREATE INDEX alerts_at ON alerts (at);
COMMIT;
